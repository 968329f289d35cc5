// What a byte costs where more and more of them are under way: the same rate over longer and longer round trips, on a clean path. sluice
// alone, with its own impairment for the delay, which no other has without root (npm run bench:link compares with the kernel there). Whoever
// impairs cuts segments for an MTU of 1500 and holds them for as long as they travel; all points pay for that alike.

import type { Measurement } from './measurement.ts'
import { stream } from './stream.ts'

/** Bytes a second, held by pacing with a window that never binds: the flight is the product of bandwidth and delay, and nothing else. */
const RATE = 50e6
const ROUND_TRIPS_MS = [4, 20, 100, 400]
const BUFFER = 128 << 20

function bdpOf(roundTrip: number): Measurement {
  const bytes = (RATE * roundTrip) / 1000
  return {
    ...stream,
    name: `bdp:${roundTrip}`,
    group: 'bdp',
    at: bytes,
    kinds: ['sluice'],
    figures: [
      {
        name: 'cost',
        title: `${bytes / 1e6} MB under way (${roundTrip} ms), processors`,
        unit: 's/GB',
        better: 'less',
      },
      { name: 'throughput', title: `${bytes / 1e6} MB under way (${roundTrip} ms)`, unit: 'MB/s', better: 'more' },
    ],
    options: {
      impair: { out: { delay: roundTrip / 2 } },
      sysctl: { tcp_rmem: [4096, BUFFER, BUFFER], tcp_wmem: [4096, BUFFER, BUFFER] },
      connect: { tcp: { congestionControl: 'fixed', congestionOptions: { rate: RATE } } },
    },
    settings: (quick) => ({
      connections: 1,
      warmup: 300 + 5 * roundTrip,
      duration: quick ? 500 : 3000,
      chunk: 65_536,
    }),
  }
}

export const bdp: readonly Measurement[] = ROUND_TRIPS_MS.map(bdpOf)
