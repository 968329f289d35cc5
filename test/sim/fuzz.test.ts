import v8 from 'node:v8'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { StackOptions } from '../../src/stack/index.ts'
import { Siege, TUNNEL_PORT } from '../support/siege.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

/** Bytes of heap and of what hangs on it that are in use. */
function memory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const ROUND = 1000
const ROUNDS = 250
/** Rounds before which memory is measured, and after the last one. By the first, code is compiled and caches are full. */
const MEASURED = [100, 150, 200]
/** Twenty bytes for each datagram in between, less than any object takes: what comes and goes is code that V8 compiles anew. */
const GROWTH = 1_000_000

/** Each stands for something that was not let in, or not answered; each has to move. */
const DROPS = [
  'InErrs',
  'InCsumErrors',
  'UdpInErrors',
  'OutRsts',
  'TCPChallengeACK',
  'TCPSYNChallenge',
  'TCPACKSkippedSeq',
  'TCPACKSkippedChallenge',
  'TCPACKSkippedSynRecv',
  'TCPOFODrop',
  'TCPZeroWindowDrop',
  'TCPAbortOnData',
]
const PAWS = ['PAWSEstab', 'PAWSActive', 'TCPACKSkippedPAWS']
const PROBES = ['PathProbesIgnored']
const FLOOD = ['ListenDrops', 'TCPReqQFullDrop']
const COOKIES = ['TCPReqQFullDoCookies', 'SyncookiesSent', 'SyncookiesFailed']
const noCookies = { tcp_syncookies: 0 }

const CASES: [number, string, StackOptions, string[]][] = [
  [1, 'framed', { sysctl: noCookies }, [...DROPS, ...PAWS, ...PROBES, ...FLOOD]],
  [
    2,
    'without options',
    { checksum: 'always', sysctl: { ...noCookies, tcp_sack: 0, tcp_timestamps: 0 } },
    [...DROPS, ...PROBES, ...FLOOD],
  ],
  [3, 'through a tunnel', { tunnel: { port: TUNNEL_PORT } }, [...DROPS, ...PAWS, ...PROBES, ...COOKIES]],
  [4, 'bare', { encapsulation: 'bare' }, [...DROPS, ...PAWS, ...COOKIES]],
]

// Checked as it goes, by the siege: the invariants of every connection, and what each stranger gets for what he threw.
describe('a million mutated segments and random datagrams', () => {
  it.each(CASES)('a quarter of them, seed %i: %s', (seed, _, stack, drops) => {
    const siege = new Siege({ seed, stack })
    const used: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      if (MEASURED.includes(round)) {
        siege.quiet()
        used.push(memory())
        siege.interlude()
      }
      siege.round(ROUND)
      siege.interlude()
    }
    siege.quiet()
    used.push(memory())
    expect(Math.min(...used.slice(2)) - Math.max(...used.slice(0, 2))).toBeLessThan(GROWTH)

    expect(siege.datagrams).toBe(ROUND * ROUNDS)
    expect(siege.onPath / siege.datagrams).toBeCloseTo(0.5, 1)
    expect(siege.inWindow / siege.datagrams).toBeGreaterThan(0.25)
    expect(siege.victimsLost).toBeGreaterThan(100)
    expect(siege.answered).toBeLessThanOrEqual(siege.thrown * 1.2)
    const [server, client] = [siege.server.counters(), siege.client.counters()]
    expect(drops.filter((name) => server[name] + client[name] === 0)).toEqual([])
    expect(siege.finish()).toBeNull()
    // The listener.
    expect(siege.left).toBe(1)
  })
})
