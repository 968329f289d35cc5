import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { CLASSIC, type Departure, established, type Script, type ScriptOptions } from '../../support/script.ts'

// A connection against a simple receiver over a path that loses, in virtual time: after every step its invariants hold (the script checks them),
// and new data never makes the flight larger than the congestion window.

const RTT = 80
const BYTES = 80_000

class Peer {
  readonly #got = new Uint8Array(BYTES + 2)
  readonly #sack: boolean
  next = 1
  finished = false
  #latest: [number, number] | null = null

  constructor(sack: boolean) {
    this.#sack = sack
  }

  take({ seq, len, flags }: Departure): void {
    this.#latest = seq > this.next ? [seq, seq + len] : null
    this.#got.fill(1, seq, seq + len)
    while (this.#got[this.next] === 1) this.next++
    if (flags.includes('F') && seq + len === this.next) this.finished = true
  }

  get ack(): { ack: number; sack?: [number, number][] } {
    const ack = this.next + (this.finished ? 1 : 0)
    if (!this.#sack || this.#latest === null || this.#latest[1] <= this.next) return { ack }
    let [start, end] = this.#latest
    while (this.#got[start - 1] === 1) start--
    while (this.#got[end] === 1) end++
    return { ack, sack: [[start, end]] }
  }
}

/** Sends everything over a path that loses a share of data and of ACKs; returns the script when both are done. */
function transfer(seed: number, loss: number, options: ScriptOptions): Script {
  const s = established({ rtt: RTT, wscale: 0, ...options })
  let state = seed
  const chance = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
  const peer = new Peer(options.sack ?? false)
  const acks: { at: number; arrival: { ack: number; sack?: [number, number][] } }[] = []
  let written = 0
  // A tail loss probe may leave beside the window, and a FIN weighs nothing.
  const spare = options.sysctl?.tcp_early_retrans === 0 ? 0 : s.c.sender.mss

  const sent = (): void => {
    const departures = s.drain()
    const fresh = departures.some(({ seq, len }) => len > 0 && seq + len > highest)
    for (const one of departures) {
      highest = Math.max(highest, one.seq + one.len)
      if (one.len === 0 && !one.flags.includes('F')) continue
      if (chance() < loss) continue
      peer.take(one)
      if (chance() >= loss / 2) acks.push({ at: s.t + RTT, arrival: peer.ack })
    }
    if (fresh) expect(s.inFlight, `flight at ${s.t} ms`).toBeLessThanOrEqual(s.c.cc.cwnd + spare + 1)
  }
  let highest = 0
  for (let steps = 0; s.c.state !== State.FIN_WAIT2; steps++) {
    if (steps > 20_000 || s.c.state === State.CLOSE) throw new Error(`seed ${seed}: no end at ${s.t} ms`)
    if (written < BYTES) {
      written += s.tryWrite(Math.min(7000, BYTES - written))
      if (written === BYTES) s.end()
    }
    sent()
    const next = acks[0]
    if (next !== undefined && next.at <= s.deadline) {
      s.elapse(next.at)
      sent()
      acks.shift()
      s.inject(next.arrival)
    } else s.elapse(s.deadline)
    sent()
  }
  expect(peer).toMatchObject({ next: BYTES + 1, finished: true })
  return s
}

const MODES: [string, ScriptOptions][] = [
  ['NewReno', { sysctl: { ...CLASSIC } }],
  ['SACK', { sack: true, sysctl: { ...CLASSIC } }],
  ['SACK and timestamps', { sack: true, timestamps: true, sysctl: { ...CLASSIC } }],
  ['all that there is', { sack: true, timestamps: true }],
  ['no SACK, F-RTO', { timestamps: true }],
]

describe('the flight', () => {
  it.each(MODES)('%s: stays within the congestion window, and everything arrives', (_, options) => {
    for (let seed = 1; seed <= 8; seed++) transfer(seed * 7919, [0, 0.01, 0.05, 0.15][seed % 4], options)
  })

  it.each(['prr', 'rate_halving', 'rfc6675', 'rfc5681'] as const)('with %s as the reduction', (reduction) => {
    for (const sack of [false, true])
      for (let seed = 1; seed <= 3; seed++)
        transfer(seed, 0.05, { sack, sysctl: { ...CLASSIC, cwnd_reduction: reduction } })
  })

  it('nothing is left of it', () => {
    const s = transfer(5, 0.1, { sack: true })
    expect(s.c.info(s.nowUs)).toMatchObject({
      unacked: 0,
      lost: 0,
      sacked: 0,
      retrans: 0,
      notsent_bytes: 0,
      bytes_acked: BYTES,
    })
    s.expectQuiet()
  })
})
