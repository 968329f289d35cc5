import { describe, expect, it } from 'vitest'
import { Recorder } from '../../support/recorder.ts'
import { CLASSIC, established, flight, Script, type ScriptOptions } from '../../support/script.ts'

// What a tracer is told of the window: each change, and why.

/** A script, and the reasons that its tracer has heard since it was asked last. */
function traced(start: (options: ScriptOptions) => Script, options: ScriptOptions = {}) {
  const tracer = new Recorder()
  const s = start({ ...options, tracer })
  return { s, reasons: (): string[] => tracer.cwnds.splice(0).map(({ reason }) => reason) }
}

const ten = (options: ScriptOptions): Script => flight(10, options)

describe('a change of the window is traced with its reason:', () => {
  it('slow start, then congestion avoidance', () => {
    const { s, reasons } = traced(ten)
    s.at(100).inject({ ack: 5001 })
    expect(reasons()).toEqual(['slow start'])
    s.do((c) => {
      c.cc.ssthresh = c.cc.cwnd
    })
    s.inject({ ack: 10_001 }).write(40_000)
    const bytes = s.drain().reduce((sum, { len }) => sum + len, 0)
    reasons()
    s.at(200).inject({ ack: 10_001 + bytes })
    expect(reasons()).toEqual(['congestion avoidance'])
  })

  it('a recovery by its reduction, and its end', () => {
    for (const cwnd_reduction of ['prr', 'rate_halving', 'rfc6675'] as const) {
      const { s, reasons } = traced(ten, { sysctl: { cwnd_reduction } })
      s.inject({ sack: [[1001, 4001]] }).drain()
      expect(reasons()).toEqual([`recovery, ${cwnd_reduction}`])
      s.at(100).inject({ ack: 10_001 })
      if (cwnd_reduction !== 'rfc6675') expect(reasons()).toEqual(['end of recovery'])
    }
  })

  it('a timeout, and the slow start behind it', () => {
    const { s, reasons } = traced(ten, { sysctl: { tcp_frto: 0, tcp_early_retrans: 0 } })
    s.wait(300).drain()
    expect(reasons()).toEqual(['retransmission timeout'])
    s.at(400).inject({ ack: 1001 })
    expect(reasons()).toEqual(['slow start'])
  })

  it('an undo', () => {
    const { s, reasons } = traced(ten, { timestamps: true, mss: 1012 })
    s.inject({ sack: [[1001, 4001]] })
    const [again] = s.drain()
    reasons()
    s.at(110).inject({ ack: 10_001, ts: [700_000 + Math.floor(s.nowUs / 1000), (again.ts?.[0] ?? 0) - 100] })
    expect(reasons()).toEqual(['undo'])
  })

  it('a loss that a probe has repaired', () => {
    const { s, reasons } = traced(ten)
    s.inject({ ack: 9001 }).wait(400).drain()
    s.at(500).write(1000).drain()
    s.inject({ ack: 10_001 })
    reasons()
    s.inject({ ack: 11_001 })
    expect(reasons()).toEqual(['loss probe'])
  })

  it('marks of congestion', () => {
    const { s, reasons } = traced((options) => {
      const s = new Script({ ...options, sysctl: { tcp_ecn: 1 } }).openActive()
      s.drain()
      s.at(100)
        .inject({ flags: 'SE.', seq: 0, ack: 1, ...s.offers })
        .drain()
      return s.restart().write(10_000)
    })
    s.drain()
    reasons()
    s.at(100).inject({ flags: 'E.', ack: 2001 })
    expect(reasons()).toEqual(['ECN, prr'])
  })

  it('a silence', () => {
    const { s, reasons } = traced(established, { sysctl: CLASSIC, connection: { sndbuf: 1_000_000 } })
    s.write(10_000).drain()
    s.after(100).inject({ ack: 10_001 })
    reasons()
    s.at(10_000).write(1).drain()
    expect(reasons()).toEqual(['idle restart'])
  })

  it('shorter segments', () => {
    const { s, reasons } = traced(ten)
    s.do((c, now) => c.setMaxSegment(520, now))
    expect(reasons()).toEqual(['segment size'])
  })
})
