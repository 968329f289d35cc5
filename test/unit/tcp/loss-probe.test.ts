import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { data, established, flight, segments } from '../../support/script.ts'

// Tail loss probes: rfc8985#7, linux: tcp_schedule_loss_probe, tcp_send_loss_probe, tcp_process_tlp_ack; `tcp_early_retrans` 3. The round trip
// is 100 ms, the timeout 300.

const off = { sysctl: { tcp_early_retrans: 0 } }

describe('a tail loss probe', () => {
  it('[rfc8985#7.2] leaves two round trips and 2 ms after the last ACK, [rfc8985#7.3] with the last segment', () => {
    const s = flight().inject({ ack: 8001 }).expectAt(302, data(9001, 10_001))
    expect(s.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 0 })
    // The timer begins again with it.
    s.expectAt(602, data(8001, 9001))
    expect(s.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 1 })
  })

  it('tcp_early_retrans 0: there is none', () => {
    flight(10, off).inject({ ack: 8001 }).expectAt(400, data(8001, 9001))
  })

  it('[rfc8985#7.2] a single segment may wait for a delayed ACK: 200 ms more, the timeout at most', () => {
    const s = established({ sack: true, rtt: 20 }).write(500).expectSent(data(1, 501))
    // The timeout is 220 ms and comes first: the probe takes its place.
    s.expectAt(220, data(1, 501))
    expect(s.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 0 })
    s.expectAt(440, data(1, 501))
    expect(s.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 1 })
  })

  it('[rfc8985#7.3] takes new data where there is any, whatever the congestion window says', () => {
    const s = established({ sack: true, sysctl: { tcp_init_cwnd: 2 } }).write(3000)
    s.expectSent(...segments(2, 1)).expectAt(202, data(2001, 3001))
    expect(s.inFlight).toBe(3000)
  })

  it('[rfc8985#7.3] but not beyond the window of the peer', () => {
    established({ sack: true, sndWnd: 2000 })
      .write(3000)
      .expectSent(...segments(2, 1))
      .expectAt(202, data(1001, 2001))
  })

  it('is for peers that know SACK', () => {
    flight(10, { sack: false }).inject({ ack: 8001 }).expectAt(400, data(8001, 9001))
  })

  it('[rfc8985#7.2] is not sent while SACKs tell of holes', () => {
    const s = flight()
      .inject({ ack: 7001 })
      .inject({ sack: [[8001, 9001]] })
    s.expectAt(127, data(7001, 8001))
    expect(s.mib.TCPLossProbes).toBe(0)
  })
})

describe('the answer to a probe', () => {
  it('[rfc8985#7.4.2] by which the last segment was lost costs what a loss costs, once', () => {
    const s = flight().inject({ ack: 9001 }).expectAt(400, data(9001, 10_001))
    s.at(500).write(1000).expectSent(data(10_001, 11_001)).inject({ ack: 10_001 })
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    const before = s.cwndSegs
    // An ACK beyond the probe, and no word of a duplicate.
    s.inject({ ack: 11_001 })
    expect(s.c.cc.ssthresh).toBe(Math.floor(before / 2) * 1000)
    expect(s.c.cc.cwnd).toBe(s.c.cc.ssthresh)
    expect(s.mib.TCPLossProbeRecovery).toBe(1)
    expect(s.c.recovery.caState).toBe(CaState.Open)
  })

  it('[rfc8985#7.4.2] with a D-SACK costs nothing: the segment had arrived', () => {
    const s = flight().inject({ ack: 9001 }).expectAt(400, data(9001, 10_001))
    s.at(450).inject({ ack: 10_001 })
    s.at(500).inject({ sack: [[9001, 10_001]] })
    s.write(1000).expectSent(data(10_001, 11_001)).at(600).inject({ ack: 11_001 })
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    expect(s.mib.TCPLossProbeRecovery).toBe(0)
  })

  it('[rfc8985#7.4.2] nor does one with new data', () => {
    const s = established({ sack: true, sysctl: { tcp_init_cwnd: 2 } }).write(3000)
    s.expectSent(...segments(2, 1)).expectAt(202, data(2001, 3001))
    s.at(250).inject({ ack: 3001 })
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    expect(s.mib.TCPLossProbeRecovery).toBe(0)
  })

  it('[rfc8985#7.4.1] that tells of a hole leads into a recovery, not a timeout', () => {
    const s = flight().inject({ ack: 8001 }).expectAt(302, data(9001, 10_001))
    s.at(402)
      .inject({ sack: [[9001, 10_001]] })
      .expectSent(data(8001, 9001))
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
    expect(s.mib).toMatchObject({ TCPTimeouts: 0, TCPSackRecovery: 1 })
  })
})
