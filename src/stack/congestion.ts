import {
  type ControllerFault,
  congestionControlNames,
  createCongestionControl,
  createContainedControl,
  hasCongestionControl,
} from '../congestion/index.ts'
import type { TcpHost } from '../tcp/index.ts'
import type { Mib } from './mib.ts'
import type { SysctlValues } from './sysctl-table.ts'

/** Why a controller cannot be had: as setsockopt(TCP_CONGESTION) fails in Linux, and what there is instead. */
export interface CongestionControlProblem {
  readonly code: 'ENOENT' | 'EPERM'
  readonly text: string
}

type Allowed = Pick<SysctlValues, 'tcp_allowed_congestion_control' | 'tcp_congestion_control'>

/**
 * What keeps `name` from being chosen for a connection; null: nothing. Throws the controller's `TypeError` where it takes no such `options`.
 */
export function congestionControlProblem(
  name: string,
  sysctl: Allowed,
  options?: Readonly<Record<string, unknown>>,
): CongestionControlProblem | null {
  if (!hasCongestionControl(name)) {
    const names = congestionControlNames().join(' ')
    return { code: 'ENOENT', text: `no congestion control is registered as '${name}'; available: ${names}` }
  }
  const allowed = sysctl.tcp_allowed_congestion_control
  // linux: tcp_set_default_congestion_control; the stack's own choice is always allowed.
  if (allowed !== '' && name !== sysctl.tcp_congestion_control && !allowed.split(' ').includes(name)) {
    const text = `tcp_allowed_congestion_control does not allow '${name}'; allowed: ${allowed}`
    return { code: 'EPERM', text }
  }
  if (options !== undefined)
    createCongestionControl(name, { mss: 1000, now: 0, initialWindow: 10_000, random: () => 0, options })
  return null
}

/** Said already, of which controllers. */
const said = new Set<string>()

/** What connections make their controllers with: one that fails is replaced by Reno, counted, and said once in the process. */
export function controllerMaker(mib: Mib): TcpHost['createCongestionControl'] {
  const failed = (fault: ControllerFault): void => {
    mib.CongestionControlFaults++
    if (said.has(fault.controller)) return
    said.add(fault.controller)
    process.emitWarning(describe(fault), { code: 'SLUICE_CONGESTION_CONTROL', type: 'SluiceWarning' })
  }
  return (name, environment) => createContainedControl(name, environment, failed)
}

const describe = ({ controller, call, problem }: ControllerFault): string =>
  `Congestion control '${controller}' failed in ${call}: ${problem}. Its connections go on with reno.`
