import { nativeSockets } from '../tunnel/index.ts'
import type { StackOptions } from './options.ts'

/** The option of a stack as the tunnel wants it. Throws on a bad value, and where a search is wanted that cannot be had. */
export function checkMtu({ mtu = 'auto', encapsulation, dgram }: StackOptions): 'auto' | 'probe' | number {
  if (mtu === 'auto' || typeof mtu === 'number') return mtu
  if (mtu !== 'probe') throw new TypeError(`mtu is ${JSON.stringify(mtu)}: 'auto', 'probe' or a number is wanted`)
  if (encapsulation === 'bare')
    throw new TypeError("mtu: 'probe' needs framed encapsulation: a bare stack has no probes")
  if (dgram === undefined && nativeSockets() === null) {
    const message = "mtu: 'probe' needs Linux and the optional dependency koffi (npm install koffi)"
    throw Object.assign(new Error(message), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' })
  }
  return mtu
}
