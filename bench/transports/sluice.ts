import { netLike } from './net-like.ts'
import type { TransportKind } from './transport.ts'

export const sluice: TransportKind = {
  name: 'sluice',
  label: 'sluice',
  async open({ connect, ...options }) {
    // Loaded here, so that the other transports' processes do not carry it; and as it is published, for what tsx makes of the sources is not.
    const from = process.env.SLUICE_BENCH_SOURCES === undefined ? '../../dist/index.mjs' : '../../src/index.ts'
    const { Stack } = (await import(new URL(from, import.meta.url).href)) as typeof import('../../src/index.ts')
    return netLike(new Stack(options).net, connect)
  },
}
