import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { data, flight, type Script, segments } from '../../support/script.ts'

// F-RTO: rfc5682#2.1 without SACK, #3.1 with it, linux: tcp_process_loss; `tcp_frto`. Twenty segments of 1000 bytes, ten of them out; no ACK comes
// for 300 ms. After the timeout it is asked, by new data, what it meant.

const timedOut = (sack: boolean, tcp_frto: number): Script =>
  flight(20, { sack, sysctl: { tcp_frto, tcp_early_retrans: 0 } })
    .expectAt(300, data(1, 1001))
    .at(310)

describe.each([
  ['with SACK', true],
  ['without SACK', false],
] as const)('F-RTO %s', (_, sack) => {
  it('[rfc5682#2.1] [rfc5682#3.1] the first ACK lets two new segments out in place of retransmissions', () => {
    const s = timedOut(sack, 2)
    s.inject({ ack: 1001 }).expectSent(...segments(2, 10_001))
    expect(s.c.recovery.caState).toBe(CaState.Loss)
  })

  it('[rfc5682#2.1] [rfc5682#3.1] the second shows that nothing was lost: all is as it was', () => {
    const s = timedOut(sack, 2)
    s.inject({ ack: 1001 }).drain()
    s.inject({ ack: 2001 }).expectSent(data(12_001, 13_001))
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Open, Number.POSITIVE_INFINITY])
    expect(s.c.cc.cwnd).toBeGreaterThanOrEqual(10_000)
    expect(s.mib).toMatchObject({ TCPSpuriousRTOs: 1, TCPLossUndo: 1, TCPTimeouts: 1, RetransSegs: 1 })
  })

  it('[rfc5682#2.1] [rfc5682#3.1] a duplicate shows that the loss was real: what was lost goes again', () => {
    const s = timedOut(sack, 2)
    s.inject({ ack: 1001 }).drain()
    s.at(410).inject(sack ? { sack: [[10_001, 11_001]] } : {})
    const [first] = s.drain()
    expect(first.seq).toBe(1001)
    expect([s.c.recovery.caState, s.c.cc.ssthresh]).toEqual([CaState.Loss, 5000])
    expect(s.mib).toMatchObject({ TCPSpuriousRTOs: 0, TCPLossUndo: 0 })
  })

  it('tcp_frto 0: slow start at once', () => {
    const s = timedOut(sack, 0)
    s.inject({ ack: 1001 }).expectSent(...segments(2, 1001))
    s.inject({ ack: 2001 }).expectSent(...segments(2, 3001))
    expect(s.mib).toMatchObject({ TCPSpuriousRTOs: 0, TCPSlowStartRetrans: 4 })
  })

  it('[rfc5682#2.1] nothing new to send: slow start too', () => {
    const s = flight(10, { sack, sysctl: { tcp_early_retrans: 0 } }).expectAt(300, data(1, 1001))
    s.inject({ ack: 1001 }).expectSent(...segments(2, 1001))
  })
})
