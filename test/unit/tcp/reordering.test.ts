import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { CLASSIC, data, established, flight, type Script } from '../../support/script.ts'

// What decides how many duplicates mean a loss: measured reordering (linux: tcp_check_sack_reordering), forward acknowledgement (`tcp_fack`, linux
// before 4.15), early retransmit (rfc5827, `tcp_early_retrans` 1 and 2); and what is left where there are too few (linux: thin streams).

const degree = (s: Script): number => s.c.recovery.reordering.degree

describe('measured reordering', () => {
  /** The first five of ten come after the sixth and the seventh. */
  const late = (options: { tcp_max_reordering?: number } = {}): Script =>
    flight(10, { sysctl: { ...CLASSIC, ...options } })
      .inject({ sack: [[5001, 6001]] })
      .inject({ sack: [[5001, 7001]] })
      .inject({ ack: 7001 })

  it('linux: raises the number of duplicates that mean a loss, and info tells', () => {
    const s = late()
    // From the first that came late up to the highest that was there: seven, less what was acknowledged at the bottom.
    expect(degree(s)).toBe(6)
    expect(s.c.info(s.nowUs)).toMatchObject({ reordering: 6, reord_seen: 1 })
    expect(s.mib).toMatchObject({ TCPSACKReorder: 1, TCPSackRecovery: 0 })
    // Five do not make one any more.
    s.write(10_000).drain()
    s.at(200)
      .inject({ sack: [[8001, 13_001]] })
      .expectSent()
    expect(s.c.recovery.caState).toBe(CaState.Disorder)
    s.inject({ sack: [[8001, 14_001]] })
    expect(s.drain()[0]).toMatchObject({ seq: 7001 })
  })

  it('tcp_max_reordering is the most', () => {
    expect(degree(late({ tcp_max_reordering: 4 }))).toBe(4)
  })

  it('linux: without SACK, duplicates beyond all that is out tell of it', () => {
    const s = flight(3, { sack: false, sysctl: CLASSIC }).inject({}).inject({})
    expect(degree(s)).toBe(3)
    s.inject({}).drain()
    s.inject({}).drain()
    expect(s.mib.TCPRenoReorder).toBeGreaterThan(0)
    expect(degree(s)).toBeGreaterThan(3)
  })
})

describe('tcp_fack', () => {
  const script = (tcp_fack: number): Script => flight(10, { sysctl: { ...CLASSIC, tcp_fack } })

  it('1: a segment counts as overtaken by all below the highest that came', () => {
    script(1)
      .inject({ sack: [[2001, 3001]] })
      .expectSent()
    script(1)
      .inject({ sack: [[3001, 4001]] })
      .expectSent(data(1, 1001))
  })

  it('0: by those only that came', () => {
    script(0)
      .inject({ sack: [[3001, 4001]] })
      .inject({ sack: [[3001, 5001]] })
      .expectSent()
      .inject({ sack: [[3001, 6001]] })
      .expectSent(data(1, 1001))
  })

  it('linux: 1 is given up where segments come out of order', () => {
    const s = script(1)
      .inject({ sack: [[1001, 2001]] })
      .inject({ ack: 2001 })
    s.inject({ sack: [[6001, 7001]] }).expectSent()
    expect(s.c.recovery.caState).toBe(CaState.Disorder)
  })
})

describe('early retransmit', () => {
  const sacks = (sack: boolean, from: number, to: number): object => (sack ? { sack: [[from, to]] } : {})
  const script = (sack: boolean, tcp_early_retrans: number, una: number): Script =>
    flight(10, { sack, sysctl: { ...CLASSIC, tcp_early_retrans } }).inject({ ack: una })

  it.each([true, false])('[rfc5827#3.2] with three out and nothing to send, two duplicates do (SACK: %s)', (sack) => {
    const s = script(sack, 1, 7001)
      .inject(sacks(sack, 8001, 9001))
      .expectSent()
    s.inject(sacks(sack, 8001, 10_001)).expectSent(data(7001, 8001))
  })

  it.each([true, false])('[rfc5827#3] with two, one (SACK: %s)', (sack) => {
    script(sack, 2, 8001)
      .inject(sacks(sack, 9001, 10_001))
      .expectSent(data(8001, 9001))
  })

  it.each([true, false])('tcp_early_retrans 0: it takes the timeout (SACK: %s)', (sack) => {
    script(sack, 0, 8001)
      .inject(sacks(sack, 9001, 10_001))
      .expectAt(400, data(8001, 9001))
  })

  it('[rfc5827#3] not where something new could go instead, which would draw more duplicates', () => {
    const s = script(true, 1, 8001).write(1000)
    s.expectSent(data(10_001, 11_001)).write(40_000).drain()
    s.inject({ sack: [[9001, 10_001]] })
    expect(s.drain().every(({ seq }) => seq > 10_000)).toBe(true)
  })
})

describe('a thin stream', () => {
  /** When a lone segment is sent again, ms after it was sent first. */
  function timeouts(tcp_thin_linear_timeouts: number): number[] {
    const s = flight(10, { sack: false, sysctl: { ...CLASSIC, tcp_thin_linear_timeouts } })
    // Out of its first slow start: before that nothing is thin.
    s.inject({}).inject({}).inject({}).drain()
    s.at(200).inject({ ack: 10_001 }).write(1000).drain()
    return s
      .elapse(8200)
      .drain()
      .map(({ t }) => t - 200)
  }

  it('linux: tcp_thin_linear_timeouts 1: six timeouts without backing off, then as ever', () => {
    expect(timeouts(1)).toEqual([300, 600, 900, 1200, 1500, 1800, 2100, 2700, 3900, 6300])
  })

  it('tcp_thin_linear_timeouts 0: each twice as long as the one before', () => {
    expect(timeouts(0)).toEqual([300, 900, 2100, 4500])
  })

  it('linux: not while it has never lost anything', () => {
    const s = established({ sysctl: { ...CLASSIC, tcp_thin_linear_timeouts: 1 } }).write(1000)
    s.drain()
    s.expectAt(300, data(1, 1001))
  })
})

describe('rto_algorithm', () => {
  const first = (rto_algorithm: 'rfc6298' | 'rfc793', rtt: number): Script => {
    const s = established({ rtt, sysctl: { ...CLASSIC, rto_algorithm } }).write(1000)
    s.drain()
    return s
  }

  it('rfc6298: the round trip and four times its deviation, [rfc6298#2.4] linux: 200 ms at least', () => {
    first('rfc6298', 800).expectAt(2400, data(1, 1001))
    first('rfc6298', 100).expectAt(300, data(1, 1001))
  })

  it('[rfc793#3.7] rfc793: twice the round trip', () => {
    first('rfc793', 800).expectAt(1600, data(1, 1001))
  })
})
