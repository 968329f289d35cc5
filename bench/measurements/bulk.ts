// As much as goes, by one connection and by many at once.

import type { Measurement, Setting } from './measurement.ts'
import { stream } from './stream.ts'

/** SO_RCVBUF of a UDP socket where `net.core.rmem_max` was never touched, however much is asked for. */
const STOCK_BUFFER = 212_992

const MTU_1500 = { mtu: 1500 } as const
const NO_OFFLOAD = { mtu: 1500, offload: 'off' } as const
const STOCK = { recvBufferSize: STOCK_BUFFER } as const

const SETTINGS: readonly Setting[] = [
  { label: 'mtu 1500', options: MTU_1500, kinds: ['sluice'] },
  { label: 'mtu 1500, no offload', options: NO_OFFLOAD, kinds: ['sluice'] },
  { label: '208 KB buffer', options: STOCK, kinds: ['sluice', 'udx'] },
  { label: '208 KB buffer, mtu 1500', options: { ...MTU_1500, ...STOCK }, kinds: ['sluice'] },
  { label: '208 KB buffer, mtu 1500, no offload', options: { ...NO_OFFLOAD, ...STOCK }, kinds: ['sluice'] },
]

function bulkOf(connections: number, settingsBeside: readonly Setting[]): Measurement {
  const what = connections === 1 ? 'bulk, 1 connection' : `bulk, ${connections} connections`
  return {
    ...stream,
    name: `bulk:${connections}`,
    group: 'bulk',
    figures: [
      { name: 'throughput', title: what, unit: 'MB/s', better: 'more' },
      { name: 'cost', title: `${what}, processors`, unit: 's/GB', better: 'less' },
    ],
    settingsBeside,
    settings: (quick) => ({
      connections,
      warmup: quick ? 1000 : 3000,
      duration: quick ? 500 : 2000,
      chunk: 65_536,
    }),
  }
}

export const bulk: readonly Measurement[] = [
  bulkOf(1, SETTINGS),
  bulkOf(16, SETTINGS.slice(0, 1)),
  bulkOf(256, SETTINGS.slice(0, 1)),
]
