import { netLike } from './net-like.ts'
import type { TransportKind } from './transport.ts'

export const sluice: TransportKind = {
  name: 'sluice',
  label: 'sluice',
  async open({ connect, ...options }) {
    // Loaded here, so that the other transports' processes do not carry it.
    const { Stack } = await import('../../src/index.ts')
    return netLike(new Stack(options).net, connect)
  },
}
