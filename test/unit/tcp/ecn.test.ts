import { describe, expect, it } from 'vitest'
import { createReduction } from '../../../src/tcp/loss/reduction.ts'
import { CaState } from '../../../src/tcp/state.ts'
import { ack, data, Script, type ScriptOptions, segments } from '../../support/script.ts'

// Explicit congestion notification in TCP (rfc3168#6.1). Marks are given by hand here: what makes them is the impairment of the stack.

const ON = { tcp_ecn: 1 }

/** Agreed on, actively opened, at 0. */
function agreed(options: ScriptOptions = {}): Script {
  const s = new Script({ ...options, sysctl: { ...ON, ...options.sysctl } }).openActive()
  s.expectSent({ flags: 'SEW' })
  s.at(100).inject({ flags: 'SE.', seq: 0, ack: 1, ...s.offers })
  s.expectSent(ack(1)).expectEvents('connected')
  return s.restart()
}

describe('the agreement on ECN', () => {
  it('[rfc3168#6.1.1] is asked for by ECE and CWR on the SYN, and granted by ECE alone', () => {
    expect(agreed().c.ecn).not.toBeNull()
    for (const flags of ['S.', 'SEW.', 'SW.']) {
      const s = new Script({ sysctl: ON }).openActive()
      s.drain()
      s.at(100).inject({ flags, seq: 0, ack: 1, ...s.offers })
      expect(s.c.ecn, flags).toBeNull()
    }
  })

  it('[rfc3168#6.1.1] is granted to who asks, with tcp_ecn 1 and 2, and not with 0', () => {
    const answer = (tcp_ecn: number, flags: string) => {
      const s = new Script({ sysctl: { tcp_ecn } }).openPassive({ flags })
      return s.drain()[0].flags
    }
    expect([0, 1, 2].map((tcp_ecn) => answer(tcp_ecn, 'SEW'))).toEqual(['S.', 'SE.', 'SE.'])
    expect(['S', 'SE', 'SW'].map((flags) => answer(1, flags))).toEqual(['S.', 'S.', 'S.'])
  })

  it('is not asked for by default, nor where the frame cannot carry the bits', () => {
    new Script().openActive().expectSent({ flags: 'S' })
    new Script({ sysctl: ON, connection: { ecn: false } }).openActive().expectSent({ flags: 'S' })
  })

  it('[rfc3168#6.1.1.1] is not asked for again when the SYN was not answered', () => {
    const s = new Script({ sysctl: ON }).openActive()
    s.expectSent({ flags: 'SEW' }).expectAt(1000, { flags: 'S' })
    // The answer to a SYN that asked for nothing grants nothing.
    s.at(1100).inject({ flags: 'SE.', seq: 0, ack: 1, ...s.offers })
    expect(s.c.ecn).toBeNull()
  })
})

describe('the receiver of a mark', () => {
  it('[rfc3168#6.1.3] echoes it on every ACK until the sender has answered by CWR', () => {
    const s = agreed()
    s.inject({ len: 1000, marked: true }).expectSent(ack(1001, { flags: 'E.', ect: false }))
    s.inject({ len: 1000 }).expectSent(ack(2001, { flags: 'E.' }))
    s.inject({ flags: 'W.', len: 1000 }).expectSent(ack(3001, { flags: '.' }))
    s.inject({ len: 1000 })
    expect(s.drain().map(({ flags }) => flags)).not.toContain('E.')
  })

  it('[rfc3168#6.1.3] begins anew when the segment that bears the CWR is marked itself', () => {
    const s = agreed().inject({ len: 1000, marked: true })
    s.drain()
    s.inject({ flags: 'W.', len: 1000, marked: true }).expectSent(ack(2001, { flags: 'E.' }))
  })

  it('takes no notice where nothing was agreed on', () => {
    const s = new Script().openPassive()
    s.drain()
    s.inject({ ack: 1 }).inject({ len: 1000, marked: true })
    expect(s.drain().every(({ flags }) => !flags.includes('E'))).toBe(true)
  })
})

describe('the sender that hears of a mark', () => {
  it('[rfc3168#6.1.2] reduces its window once for a window of data, says so on the next new data, and sends nothing again', () => {
    const s = agreed({ connection: { sndbuf: 1_000_000 } }).write(30_000)
    s.expectSent(...segments(10, 1).map((segment) => ({ ...segment, ect: true })))
    s.at(100).inject({ flags: 'E.', ack: 2001 })
    expect(s.c.recovery.caState).toBe(CaState.CWR)
    // rfc8511#3.1: a mark tells of a queue, not of one that is full.
    expect(s.c.cc.ssthresh).toBe(8000)
    const sent = s.drain()
    for (let acked = 3001; acked <= 10_001; acked += 1000) {
      s.inject({ flags: 'E.', ack: acked })
      sent.push(...s.drain())
    }
    expect(sent.map(({ flags }) => flags.includes('W'))).toEqual(sent.map((_, i) => i === 0))
    expect(s.c.cc.ssthresh).toBe(8000)
    expect(s.c.info(s.nowUs)).toMatchObject({ total_retrans: 0, delivered_ce: 10 })
    expect(s.mib.TCPDeliveredCE).toBe(10)
    // Above the point, without ECE: it is over.
    s.at(200).inject({ ack: 11_001 })
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.cwndSegs).toBe(8)
  })

  it('[rfc9937#6] after a timeout the window does not leap: what is less than the threshold needs no reduction', () => {
    const s = agreed({ sack: true, connection: { sndbuf: 1_000_000 } }).write(30_000)
    const prr = createReduction('prr')
    s.drain()
    s.c.cc.ssthresh = 2000
    s.c.cc.cwnd = 1000
    prr.begin(s.c.cc, s.c.sender.board)
    prr.onAck(s.c.cc, s.c.sender.board, { delivered: 5000, advanced: true, lost: false, mss: 1000 })
    expect(s.c.cc.cwnd).toBe(s.c.sender.board.inFlight + 5000)
  })

  it('[rfc3168#6.1.5] declares neither what it sends again nor pure ACKs', () => {
    const s = agreed()
      .write(1000)
      .expectSent(data(1, 1001, { ect: true }))
    s.wait(1000).expectSent(data(1, 1001, { ect: false }))
    s.inject({ len: 1000 }).expectSent(ack(1001, { ect: false }))
  })

  it('does not take ECE for anything where nothing was agreed on', () => {
    const s = new Script().openActive()
    s.drain()
    s.at(100).inject({ flags: 'S.', seq: 0, ack: 1, ...s.offers })
    s.drain()
    s.write(3000)
    expect(s.drain().every(({ ect }) => !ect)).toBe(true)
    s.inject({ flags: 'E.', ack: 1001 })
    expect(s.c.recovery.caState).toBe(CaState.Open)
  })
})
