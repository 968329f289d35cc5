import v8 from 'node:v8'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { StackOptions } from '../../src/stack/index.ts'
import { Siege, TUNNEL_PORT } from '../support/siege.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

/** Bytes of heap and of what hangs on it that are really in use. */
function memory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const ROUND = 1000
const ROUNDS = 250
const WARM_UP = 50

/** Each stands for something that was not let in; each has to move. */
const DROPS = [
  'InErrs',
  'InCsumErrors',
  'UdpInErrors',
  'PathProbesIgnored',
  'ListenDrops',
  'TCPReqQFullDrop',
  'OutRsts',
  'PAWSEstab',
  'PAWSActive',
  'TCPChallengeACK',
  'TCPSYNChallenge',
  'TCPACKSkippedSeq',
  'TCPACKSkippedPAWS',
  'TCPACKSkippedChallenge',
  'TCPACKSkippedSynRecv',
  'TCPOFODrop',
  'TCPZeroWindowDrop',
  'TCPAbortOnData',
]

describe('a million mutated segments and random datagrams', () => {
  it.each([
    [1, 'framed', {}],
    [2, 'framed', { checksum: 'always', sysctl: { tcp_sack: 0, tcp_timestamps: 0 } }],
    [3, 'through a tunnel', { tunnel: { port: TUNNEL_PORT } }],
    [4, 'bare', { encapsulation: 'bare' }],
  ] as [number, string, StackOptions][])('a quarter of them, seed %i, %s', (seed, _, stack) => {
    const siege = new Siege({ seed, stack })
    let before = 0
    for (let round = 0; round < ROUNDS; round++) {
      if (round === WARM_UP) {
        siege.quiet()
        before = memory()
        siege.interlude()
      }
      siege.round(ROUND)
      siege.interlude()
    }
    siege.quiet()
    const after = memory()
    // A byte leaked per datagram would show.
    console.log(after-before)
    expect(siege.datagrams).toBe(ROUND * ROUNDS)
    expect(siege.onPath / siege.datagrams).toBeGreaterThan(0.45)
    expect(siege.inWindow / siege.datagrams).toBeGreaterThan(0.2)
    expect(siege.victimsLost).toBeGreaterThan(10)
    expect(siege.answered).toBeLessThanOrEqual(siege.thrown * 1.2)
    const [a, b] = [siege.server.counters(), siege.client.counters()]
    const unmoved = DROPS.filter((name) => a[name] + b[name] === 0)
    console.log(seed, siege.victimsLost, siege.thrown, siege.answered, after - before, unmoved, a, b)
    expect(siege.finish()).toBeNull()
    expect(siege.left).toBe(1)
  })
})
