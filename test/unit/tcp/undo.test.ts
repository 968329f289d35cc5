import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { data, flight, type Script, type ScriptOptions, segments } from '../../support/script.ts'

// Reductions that were for nothing, taken back: by D-SACK (rfc2883, rfc3708, linux: tcp_try_undo_dsack), by timestamps (Eifel, rfc3522, rfc4015,
// linux: tcp_try_undo_recovery, tcp_try_undo_loss). Ten segments of 1000 bytes were sent at 0; the first is late, not lost.

/** With timestamps a segment carries twelve bytes of options. */
const stamped: ScriptOptions = { timestamps: true, mss: 1012 }
const timeouts: ScriptOptions = { sysctl: { tcp_frto: 0, tcp_early_retrans: 0 } }

/** The first has been sent again at 100; its TSval, 0 without timestamps. */
function recovering(options: ScriptOptions = {}): [Script, number] {
  const s = flight(10, options).inject({ sack: [[1001, 4001]] })
  const [again, ...others] = s.drain()
  expect([again.seq, others.length]).toEqual([1, 0])
  expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Recovery, 5000])
  return [s, again.ts?.[0] ?? 0]
}

/** The timeout has sent it again at 300. */
function timedOut(options: ScriptOptions): [Script, number] {
  const s = flight(10, options).wait(300)
  const [again] = s.drain()
  expect([again.t, again.seq]).toEqual([300, 1])
  expect([s.c.recovery.caState, s.c.cc.ssthresh, s.c.cc.cwnd]).toEqual([CaState.Loss, 5000, 1000])
  return [s, again.ts?.[0] ?? 0]
}

/** An ACK that echoes `tsEcr`. */
const echo = (s: Script, tsEcr: number): { ts: readonly [number, number] } => ({
  ts: [700_000 + Math.floor(s.nowUs / 1000), tsEcr],
})

describe('a recovery for nothing', () => {
  it('[rfc4015#3.2] [rfc3522#3.2] is undone by an ACK that echoes a time from before the retransmission', () => {
    const [s, tsVal] = recovering(stamped)
    s.at(110).inject({ ack: 10_001, ...echo(s, tsVal - 100) })
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect([s.c.cc.cwnd >= 10_000, s.c.cc.ssthresh]).toEqual([true, Number.POSITIVE_INFINITY])
    expect(s.mib).toMatchObject({ TCPFullUndo: 1, TCPDSACKUndo: 0 })
  })

  it('[rfc3522#3.2] but not by one that echoes the retransmission', () => {
    const [s, tsVal] = recovering(stamped)
    s.at(110).inject({ ack: 10_001, ...echo(s, tsVal) })
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Open, 5000])
    expect(s.mib.TCPFullUndo).toBe(0)
  })

  it('[rfc4015#3.2] nor without timestamps', () => {
    const [s] = recovering()
    s.at(110).inject({ ack: 10_001 })
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Open, 5000])
  })

  it('linux: by such an echo in the midst of it, which tells that the rest is late too', () => {
    const s = flight(10, stamped)
      .inject({ sack: [[2001, 3001]] })
      .inject({ sack: [[2001, 5001]] })
    // Two are held for lost; one has been sent again.
    const [first] = s.drain()
    expect(first.seq).toBe(1)
    s.at(110).inject({ ack: 1001, sack: [[2001, 5001]], ...echo(s, (first.ts?.[0] ?? 0) - 100) })
    s.drain()
    expect(s.mib.TCPPartialUndo + s.mib.TCPFullUndo).toBe(1)
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    // What came late was out of order, and that is remembered.
    expect(s.mib.TCPTSReorder + s.mib.TCPSACKReorder).toBeGreaterThan(0)
  })

  it('[rfc3708#2] is undone when every retransmission is reported as a duplicate', () => {
    const [s] = recovering()
    s.at(110).inject({ ack: 10_001 })
    expect(s.c.cc.ssthresh).toBe(5000)
    s.write(1000)
      .expectSent(data(10_001, 11_001))
      .at(200)
      .inject({ sack: [[1, 1001]] })
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    expect(s.mib).toMatchObject({ TCPDSACKRecv: 1, TCPDSACKUndo: 1, TCPFullUndo: 0 })
  })

  it('[rfc3708#2] but not while one of two is not', () => {
    const s = flight().inject({ sack: [[2001, 5001]] })
    const first = s.drain()
    s.inject({ sack: [[2001, 8001]] })
    expect([...first, ...s.drain()].map(({ seq }) => seq)).toEqual([1, 1001])
    s.at(110)
      .inject({ ack: 10_001 })
      .at(200)
      .inject({ sack: [[1, 1001]] })
    expect([s.c.cc.ssthresh, s.mib.TCPDSACKUndo]).toEqual([5000, 0])
    s.inject({ sack: [[1001, 2001]] })
    expect([s.c.cc.ssthresh, s.mib.TCPDSACKUndo]).toEqual([Number.POSITIVE_INFINITY, 1])
  })

  it('linux: nobody is believed who reports more duplicates than there were retransmissions', () => {
    const [s] = recovering()
    s.at(110)
      .inject({ ack: 10_001 })
      .inject({ sack: [[1, 5001]] })
    expect([s.c.cc.ssthresh, s.mib.TCPDSACKIgnoredNoUndo]).toEqual([5000, 1])
  })
})

describe('a timeout for nothing', () => {
  it('[rfc4015#3.2] is undone by an echo from before it: nothing is sent again', () => {
    const [s, tsVal] = timedOut({ ...stamped, ...timeouts })
    s.inject({ ack: 1001, ...echo(s, tsVal - 300) }).expectSent()
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Open, Number.POSITIVE_INFINITY])
    expect(s.c.cc.cwnd).toBeGreaterThanOrEqual(10_000)
    expect(s.mib).toMatchObject({ TCPLossUndo: 1, TCPSpuriousRTOs: 0, RetransSegs: 1 })
  })

  it('[rfc3522#3.2] not by an echo of the retransmission: slow start', () => {
    const [s, tsVal] = timedOut({ ...stamped, ...timeouts })
    s.inject({ ack: 1001, ...echo(s, tsVal) }).expectSent(...segments(2, 1001))
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Loss, 5000])
  })

  it('without timestamps it is not noticed so', () => {
    const [s] = timedOut(timeouts)
    s.inject({ ack: 1001 }).expectSent(...segments(2, 1001))
  })

  it('[rfc3708#2] is undone by D-SACKs of all that was sent again', () => {
    const [s] = timedOut(timeouts)
    s.inject({ ack: 10_001 }).expectSent()
    expect(s.c.cc.ssthresh).toBe(5000)
    s.write(1000)
      .expectSent(data(10_001, 11_001))
      .at(400)
      .inject({ sack: [[1, 1001]] })
    expect([s.c.cc.ssthresh, s.mib.TCPDSACKUndo]).toEqual([Number.POSITIVE_INFINITY, 1])
  })
})
