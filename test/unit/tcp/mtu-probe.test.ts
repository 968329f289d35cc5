import { describe, expect, it } from 'vitest'
import { established, type Script, type ScriptOptions } from '../../support/script.ts'
import type { Arrival } from '../../support/script-peer.ts'

// rfc4821: after segments had to become shorter, what the path takes is searched for, from below.

const MTU: ScriptOptions['sysctl'] = { tcp_mtu_probing: 2, tcp_base_mss: 500, tcp_init_cwnd: 40, tcp_early_retrans: 0 }

/** Segments of 500 bytes to a peer that takes 1000. */
const cautious = (options: ScriptOptions['sysctl'] = {}): Script =>
  established({ sysctl: { tcp_wmem: [4096, 1_000_000, 1_000_000], ...MTU, ...options } })

/** Bulk over a path that takes segments of `most` bytes, round trip by round trip. */
class Bulk {
  readonly s: Script
  most: number
  #next = 1
  readonly #held = new Map<number, number>()

  constructor(s: Script, most: number) {
    this.s = s
    this.most = most
  }

  /** Returns the sizes of all segments. */
  run(rounds = 12): number[] {
    const sizes: number[] = []
    for (let i = 0; i < rounds; i++) {
      this.s.tryWrite(60_000)
      sizes.push(...this.#roundTrip())
    }
    return sizes
  }

  /** Until nothing is out. */
  settle(): this {
    while (this.s.inFlight > 0) this.#roundTrip()
    return this
  }

  #roundTrip(): number[] {
    const { s } = this
    const sent = s.drain()
    const acks: Arrival[] = []
    for (const { seq, len } of sent) {
      if (len > this.most) continue
      this.#held.set(seq, len)
      this.#advance()
      acks.push({ ack: this.#next })
    }
    s.at(s.t + 20).burst(...acks)
    return sent.map(({ len }) => len)
  }

  /** Segments may be cut otherwise when they are sent again. */
  #advance(): void {
    for (const [seq, len] of [...this.#held].sort(([a], [b]) => a - b)) {
      if (seq > this.#next) return
      this.#next = Math.max(this.#next, seq + len)
      this.#held.delete(seq)
    }
  }
}

describe('a search for larger segments', () => {
  it('[rfc4821#7.3] halves what is left each time, until the largest is found', () => {
    const s = cautious()
    const sizes = new Bulk(s, 1000).run()
    // From 500 towards 1000.
    const longer = sizes.filter((size, i) => size > Math.max(500, ...sizes.slice(0, i)))
    expect(longer).toEqual([750, 875, 937, 968, 984, 992, 996])
    expect(s.c.sender.mss).toBe(996)
    expect(s.mib).toMatchObject({ TCPMTUPSuccess: 7, TCPMTUPFail: 0, RetransSegs: 0 })
  })

  it('[rfc4821#7.5] a probe that is lost is sent again in short segments, and no sign of congestion', () => {
    const s = cautious()
    const cwnd = s.c.cc.cwnd
    new Bulk(s, 800).run(20)
    expect(s.c.sender.mss).toBeGreaterThan(790)
    expect(s.c.sender.mss).toBeLessThanOrEqual(800)
    expect(s.mib.TCPMTUPFail).toBeGreaterThan(0)
    expect(s.mib).toMatchObject({ TCPTimeouts: 0, TCPRenoRecovery: 0 })
    expect(s.c.cc.cwnd).toBeGreaterThanOrEqual(cwnd)
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
  })

  it('[rfc4821#7.7] begins again after tcp_probe_interval, for paths change', () => {
    for (const interval of [600, 30]) {
      const s = cautious({ tcp_probe_interval: interval })
      const bulk = new Bulk(s, 600)
      bulk.run(20)
      const before = s.c.sender.mss
      expect(before).toBeLessThanOrEqual(600)
      bulk.most = 1000
      bulk.settle()
      s.elapse((interval - 2) * 1000)
      bulk.run()
      expect(s.c.sender.mss, 'not yet').toBe(before)
      bulk.settle()
      s.elapse((interval + 1) * 1000)
      bulk.run()
      expect(s.c.sender.mss).toBeGreaterThan(990)
    }
  })

  it('linux: the window stays as many bytes when segments grow', () => {
    const s = cautious().write(10_000)
    const { cwnd } = s.c.cc
    expect(s.drain()[0].len).toBe(750)
    // What is acknowledged in slow start is added, as ever.
    s.at(20).inject({ ack: 751 })
    expect(s.c.sender.mss).toBe(750)
    expect(s.c.cc.cwnd).toBeLessThanOrEqual(cwnd + 750)
  })

  it.each(['reno', 'cubic', 'bbr', 'bbr3', 'westwood', 'vegas'])('tells %s of the larger segments', (name) => {
    const s = cautious({ tcp_congestion_control: name }).write(10_000)
    const told: [number, boolean | undefined, number][] = []
    const { cc } = s.c
    const onMss = cc.onMss?.bind(cc)
    cc.onMss = (mss, keepBytes) => {
      const { cwnd } = cc
      onMss?.(mss, keepBytes)
      told.push([mss, keepBytes, cc.cwnd - cwnd])
    }
    s.drain()
    s.at(20).inject({ ack: 751 })
    expect(told).toEqual([[750, true, 0]])
  })

  it('[rfc4821#7.4] waits for enough data to show the loss of a probe', () => {
    const s = cautious().write(2500)
    expect(s.drain().map(({ len }) => len)).toEqual([500, 500, 500, 500, 500])
    const probing = cautious().write(2751)
    expect(probing.drain().map(({ len }) => len)).toEqual([750, 500, 500, 500, 500, 1])
  })

  it('says nothing where anything else is sent again', () => {
    const s = cautious().write(5000)
    expect(s.drain()[0].len).toBe(750)
    s.wait(300)
    expect(s.drain()).toMatchObject([{ len: 500 }])
    expect(s.mib).toMatchObject({ TCPMTUPFail: 0, TCPMTUPSuccess: 0, TCPTimeouts: 1 })
    expect(s.c.mtuProbe.start).toBe(null)
  })
})

describe('after timeouts that may be chance or a black hole', () => {
  /** One segment of 1000 bytes was lost four times: segments are of 500 bytes now. */
  const suspicious = (): Script => {
    const s = established({
      sack: true,
      sysctl: { ...MTU, tcp_mtu_probing: 1, tcp_init_cwnd: 2, tcp_retries1: 3, tcp_frto: 0 },
      connection: { sndbuf: 100_000 },
    }).write(1000)
    s.drain()
    for (let i = 0; i < 3; i++) s.elapse(s.deadline).drain()
    expect(s.c.sender.mss).toBe(500)
    return s
  }

  it('the old size is tried as soon as something has gone through, however small the window', () => {
    const s = suspicious()
    s.inject({ ack: 1001 }).write(5000)
    expect(s.drain().map(({ len }) => len)).toEqual([1000])
    s.after(20).inject({ ack: 2001 })
    expect(s.c.sender.mss).toBe(1000)
    expect(s.drain().map(({ len }) => len)[0]).toBe(1000)
    expect(s.mib).toMatchObject({ TCPMTUPSuccess: 1, TCPMTUPFail: 0 })
  })

  it('twice at most, where the path swallows it', () => {
    const s = suspicious()
    s.inject({ ack: 1001 }).write(40_000)
    const held = new Map<number, number>()
    let [una, tried] = [1001, 0]
    for (let i = 0; i < 12; i++) {
      const sent = s.drain()
      tried += sent.filter(({ len }) => len > 500).length
      for (const { seq, len } of sent) if (len <= 500) held.set(seq, len)
      const before = una
      for (let len = held.get(una); len !== undefined; len = held.get(una)) una += len
      if (una > before) s.after(20).inject({ ack: una })
      else s.elapse(s.deadline)
    }
    expect(tried).toBe(2)
    expect(s.c.sender.mss).toBe(500)
    expect(una).toBeGreaterThan(4000)
  })
})
