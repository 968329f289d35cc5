import { totalmem } from 'node:os'
import { congestionControlNames, hasCongestionControl } from '../congestion/index.ts'
import { descriptorLimit, tcpMemDefault } from './limits.ts'
import { Sysctl } from './sysctl.ts'

/** The parameters as a stack on this machine begins with them. */
export function newSysctl(): Sysctl {
  return new Sysctl({
    checkCongestionControl: (name) =>
      hasCongestionControl(name)
        ? null
        : `no congestion control is registered by that name; available: ${congestionControlNames().join(' ')}`,
    congestionControls: congestionControlNames,
    defaults: { max_paths: Math.max(1, descriptorLimit() >> 1), tcp_mem: tcpMemDefault(totalmem()) },
  })
}
