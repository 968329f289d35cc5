import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { CLASSIC, data, flight, type Script, type ScriptOptions, segments } from '../../support/script.ts'

// Loss found by time: rfc8985#6, linux: net/ipv4/tcp_recovery.c, by the bits of `tcp_recovery`. Ten segments of 1000 bytes were sent at 0; the
// round trip is 100 ms, so the reordering window is 25 ms, to which Linux adds 2 ms for its timer.

const NO_DUPTHRESH = 4
const STATIC = 2

const steps = (s: Script): number => s.c.recovery.reoWndSteps

describe('RACK', () => {
  it('[rfc8985#6.2] waits a quarter of the round trip for what one later segment overtook, then takes it for lost', () => {
    const s = flight().inject({ sack: [[1001, 2001]] })
    expect(s.c.recovery.caState).toBe(CaState.Disorder)
    s.expectAt(127, data(1, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: CaState.Recovery, snd_ssthresh: 5, retrans: 1 })
    expect(s.mib).toMatchObject({ TCPSackRecovery: 1, TCPFastRetrans: 1 })
  })

  it('[rfc8985#6.2] what comes within that time was only out of order', () => {
    const s = flight()
      .inject({ sack: [[1001, 2001]] })
      .at(126)
      .inject({ ack: 2001 })
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.mib).toMatchObject({ TCPSackRecovery: 0, TCPSACKReorder: 1 })
    s.after(50)
  })

  it('[rfc8985#6.2] three of them settle it at once, while nothing was ever out of order', () => {
    flight()
      .inject({ sack: [[1001, 3001]] })
      .expectSent()
      .inject({ sack: [[1001, 4001]] })
      .expectSent(data(1, 1001))
  })

  it('[rfc8985#6.2] tcp_recovery 4: not even three of them', () => {
    flight(10, { sysctl: { tcp_recovery: 1 | NO_DUPTHRESH } })
      .inject({ sack: [[1001, 4001]] })
      .expectSent()
      .expectAt(127, data(1, 1001))
  })

  it('[rfc8985#6.2] nor once something was out of order', () => {
    const s = flight()
      .inject({ sack: [[1001, 2001]] })
      .at(110)
      .inject({ ack: 2001 })
    expect(s.c.recovery.reordering.seen).toBe(1)
    s.at(111)
      .inject({ sack: [[3001, 6001]] })
      .expectSent()
    // Sent at 0, overtaken by what came at 111.
    s.expectAt(138, data(2001, 3001))
  })

  it('tcp_recovery 0: time tells nothing, three of them tell all', () => {
    const s = flight(10, { sysctl: { ...CLASSIC, tcp_recovery: 0 } }).inject({ sack: [[1001, 3001]] })
    s.at(250).expectSent()
    s.inject({ sack: [[1001, 4001]] }).expectSent(data(1, 1001))
  })

  it('[rfc8985#6.2] all holes at once, though a single segment tells of them; [rfc9937#6] they go again as the reduction lets them', () => {
    const s = flight().inject({ sack: [[9001, 10_001]] })
    s.expectAt(127, data(1, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({ sacked: 1, lost: 9, snd_ssthresh: 5 })
    s.at(227)
      .inject({ ack: 1001, sack: [[9001, 10_001]] })
      .expectSent(...segments(2, 1001))
  })

  it('[rfc8985#6.2] [rfc5681#4.3] finds a retransmission that was lost, by what was sent after it', () => {
    const s = lostAgain(flight(20)).at(200)
    s.inject({
      sack: [
        [10_001, 11_001],
        [1001, 10_001],
      ],
    })
    s.expectSent(data(1, 1001), data(14_001, 15_001))
    expect(s.mib).toMatchObject({ TCPLostRetransmit: 1, TCPTimeouts: 0 })
  })

  it('without it that takes the timeout', () => {
    const s = lostAgain(flight(20, { sysctl: CLASSIC })).at(200)
    s.inject({
      sack: [
        [10_001, 11_001],
        [1001, 10_001],
      ],
    })
    s.expectSent(data(14_001, 15_001)).expectAt(400, data(1, 1001))
    expect(s.mib).toMatchObject({ TCPLostRetransmit: 0, TCPTimeouts: 1 })
  })

  it('[rfc5681#4.3] after a timeout that is one more sign of congestion', () => {
    const s = flight(20, { sysctl: { tcp_early_retrans: 0, tcp_frto: 0 } })
      .expectAt(300, data(1, 1001))
      .at(400)
    s.inject({ ack: 1001 }).expectSent(...segments(2, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: CaState.Loss, snd_ssthresh: 5 })
    // The second of these two arrives, the first does not: sent together, so it takes the timer's look to tell.
    s.at(500).inject({ sack: [[2001, 3001]] })
    const sent = s.drain()
    s.elapse(530)
    expect([...sent, ...s.drain()].filter(({ seq }) => seq === 1001)).toHaveLength(1)
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
    expect(s.mib.TCPLostRetransmit).toBe(1)
  })
})

/** The first of 20 is lost, and its retransmission too; four new ones have left after it. */
function lostAgain(s: Script): Script {
  s.inject({ sack: [[1001, 4001]] }).expectSent(data(1, 1001))
  s.inject({ sack: [[1001, 6001]] }).expectSent()
  return s.inject({ sack: [[1001, 10_001]] }).expectSent(...segments(4, 10_001))
}

describe('the reordering window', () => {
  /** The first of twenty is sent again for nothing, and the peer says so. */
  function needless(options: ScriptOptions = {}): Script {
    const s = flight(10, options)
      .inject({ sack: [[1001, 2001]] })
      .expectAt(127, data(1, 1001))
      .at(130)
      .inject({ ack: 10_001 })
      .write(5000)
    s.expectSent(...segments(5, 10_001))
      .at(200)
      .inject({ sack: [[1, 1001]] })
    return s
  }

  it('[rfc8985#6.2] grows by a quarter of the round trip for each round trip with a D-SACK', () => {
    const s = needless()
    // Taken in by the next ACK that delivers something.
    s.inject({ ack: 11_001 }).drain()
    expect(steps(s)).toBe(2)
    expect(s.mib).toMatchObject({ TCPDSACKUndo: 1, TCPDSACKRecv: 1 })
  })

  it('tcp_recovery 2: stays as it is', () => {
    const s = needless({ sysctl: { tcp_recovery: 1 | STATIC } })
    s.inject({ ack: 11_001 }).drain()
    expect(steps(s)).toBe(1)
  })

  it('[rfc8985#6.2] falls back after sixteen recoveries', () => {
    const s = needless()
    s.at(230).inject({ ack: 15_001 })
    expect(steps(s)).toBe(2)
    let una = 15_001
    let recoveries = 0
    while (steps(s) > 1) {
      expect(++recoveries).toBeLessThan(20)
      // All but the first of five arrives, and then the first, sent again.
      s.c.cc.cwnd = s.c.cc.ssthresh = 20_000
      s.write(5000).expectSent(...segments(5, una))
      s.after(100)
        .inject({ sack: [[una + 1000, una + 5000]] })
        .expectSent(data(una, una + 1000))
        .after(100)
      una += 5000
      s.inject({ ack: una })
    }
    expect(recoveries).toBe(17)
  })
})
