import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import {
  ack,
  flight as anyFlight,
  CLASSIC,
  data,
  established,
  type Script,
  type ScriptOptions,
  segments,
} from '../../support/script.ts'

// Loss found by counting selective acknowledgements (rfc6675). Ten segments of 1000 bytes are out.

const flight = (count = 10, options: ScriptOptions = {}): Script =>
  anyFlight(count, { ...options, sysctl: { ...CLASSIC, ...options.sysctl } })

describe('SACK', () => {
  it('[rfc6675#4] a segment is lost when three above it have arrived', () => {
    const s = flight()
      .inject({ sack: [[1001, 2001]] })
      .inject({ sack: [[1001, 3001]] })
      .expectSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: CaState.Disorder, sacked: 2, lost: 0 })
    s.inject({ sack: [[1001, 4001]] }).expectSent(data(1, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({
      ca_state: CaState.Recovery,
      sacked: 3,
      lost: 1,
      retrans: 1,
      snd_ssthresh: 5,
    })
    expect(s.mib).toMatchObject({ TCPSackRecovery: 1, TCPRenoRecovery: 0, TCPFastRetrans: 1 })
  })

  it('[rfc6675#5] several holes are filled in one round trip, under one reduction', () => {
    const s = flight(10)
      .inject({ sack: [[1001, 2001]] })
      .inject({
        sack: [
          [3001, 4001],
          [1001, 2001],
        ],
      })
      .expectSent()
    s.inject({
      sack: [
        [5001, 6001],
        [3001, 4001],
        [1001, 2001],
      ],
    }).expectSent(data(1, 1001))
    // 2001 and then 4001 are lost too; the flight is down to the threshold with the first of these ACKs.
    s.inject({ sack: [[6001, 7001]] })
      .expectSent()
      .inject({ sack: [[6001, 8001]] })
    s.expectSent(data(2001, 3001), data(4001, 5001))
      .inject({ sack: [[6001, 10_001]] })
      .expectSent()
    s.at(200).inject({
      ack: 2001,
      sack: [
        [3001, 4001],
        [5001, 10_001],
      ],
    })
    s.drain()
    s.inject({ ack: 10_001 }).expectSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: CaState.Open, snd_cwnd: 5, snd_ssthresh: 5, total_retrans: 3 })
    expect(s.mib.TCPSackRecovery).toBe(1)
  })

  it('[rfc6675#4] the last segment goes again where nothing else is left, for its loss would draw no ACK', () => {
    // The first and the last are lost.
    const s = flight()
      .inject({ sack: [[1001, 4001]] })
      .expectSent(data(1, 1001))
    s.inject({ sack: [[1001, 9001]] }).expectSent(data(9001, 10_001))
    s.at(200).inject({ ack: 9001 }).expectSent().inject({ ack: 10_001 }).expectQuiet()
    expect(s.mib).toMatchObject({ TCPTimeouts: 0, RetransSegs: 2, TCPSackRecovery: 1 })
  })

  it('[rfc6675#4] once in an episode', () => {
    const s = flight()
      .inject({ sack: [[1001, 4001]] })
      .expectSent(data(1, 1001))
    s.inject({ sack: [[1001, 8001]] }).expectSent(data(9001, 10_001))
    // The one before it was lost too: that takes the timeout, which the retransmission of the first began.
    s.at(200).inject({ ack: 8001 })
    s.expectAt(500, data(8001, 9001))
  })

  it('[rfc6675#4] not while there is something new to send', () => {
    const s = flight(20)
      .inject({ sack: [[1001, 4001]] })
      .expectSent(data(1, 1001))
    s.inject({ sack: [[1001, 9001]] })
    expect(s.drain().every(({ seq }) => seq > 10_000)).toBe(true)
  })

  it('[rfc6675#5] the episode ends at the recovery point', () => {
    const s = flight(20).repeat(1, { sack: [[1001, 4001]] })
    s.drain()
    const { recoveryPoint } = s.c.recovery
    const end = (recoveryPoint - s.c.sender.iss) | 0
    s.at(200).inject({ ack: end - 1000 })
    s.drain()
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
    s.inject({ ack: end })
    s.drain()
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: CaState.Open, snd_cwnd: 5 })
  })

  it('[rfc2018#5] what was selectively acknowledged is not sent again after a timeout', () => {
    const s = flight(4)
      .inject({ sack: [[1001, 2001]] })
      .inject({
        sack: [
          [3001, 4001],
          [1001, 2001],
        ],
      })
      .expectSent()
    s.expectAt(300, data(1, 1001))
      .at(400)
      .inject({ ack: 2001, sack: [[3001, 4001]] })
      .expectSent(data(2001, 3001))
    s.inject({ ack: 4001 }).expectQuiet()
  })

  it('[rfc2018#8] unless the peer has thrown it away', () => {
    const s = flight(4)
      .inject({ sack: [[1001, 2001]] })
      .expectSent()
      .inject({ ack: 1001 })
      .expectSent()
    s.wait(s.t + 400).expectSent(data(1001, 2001))
    expect(s.mib.TCPSACKReneging).toBe(1)
    expect(s.c.info(s.nowUs)).toMatchObject({ sacked: 0, lost: 3, retrans: 1 })
    s.inject({ ack: 2001 })
      .expectSent(...segments(2, 2001))
      .inject({ ack: 4001 })
      .expectQuiet()
  })

  it('[rfc5681#3.1] linux: after a timeout the window grows by what is newly delivered, not by what had been before', () => {
    const s = flight(10)
      .inject({ sack: [[1001, 2001]] })
      .inject({ sack: [[1001, 3001]] })
      .expectSent()
    // No more ACKs come until the timer has gone off; what was lost were the ACKs.
    s.expectAt(300, data(1, 1001))
      .at(310)
      .inject({ sack: [[1001, 9001]] })
    s.drain()
    const before = s.cwndSegs
    s.at(400).inject({ ack: 9001 })
    s.drain()
    expect(s.cwndSegs - before).toBe(1)
  })

  it('blocks that make no sense are not believed', () => {
    const s = flight()
    for (const block of [
      [2001, 1001],
      [1001, 1001],
      [9001, 10_002],
      [-5000, 1001],
      [20_001, 30_001],
      [0x4000_0000, -0x4000_0000],
    ] as const) {
      s.inject({ sack: [block] }).expectSent()
      expect(s.c.info(s.nowUs).sacked).toBe(0)
    }
  })

  it('a block that covers a segment in part leaves it as it was', () => {
    const s = flight()
      .inject({ sack: [[1501, 3501]] })
      .expectSent()
    expect(s.c.info(s.nowUs).sacked).toBe(1)
  })

  it('where it was not agreed, blocks mean nothing', () => {
    const s = flight(10, { sack: false })
      .repeat(2, { sack: [[1001, 10_001]] })
      .expectSent()
    expect(s.c.info(s.nowUs).sacked).toBe(2)
  })
})

describe('the receiving side', () => {
  it('[rfc2018#4] tells of what arrived last first, and then of the other ranges', () => {
    const s = established({ sack: true })
      .inject({ seq: 1001, len: 1000 })
      .expectSent(ack(1, { sack: [[1001, 2001]] }))
    s.inject({ seq: 3001, len: 1000 }).expectSent(
      ack(1, {
        sack: [
          [3001, 4001],
          [1001, 2001],
        ],
      }),
    )
    s.inject({ seq: 2001, len: 1000 }).expectSent(ack(1, { sack: [[1001, 4001]] }))
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(4001, { sack: [] }))
  })

  it('[rfc2018#3] four of them fit, three with timestamps', () => {
    for (const timestamps of [false, true]) {
      const s = established({ sack: true, timestamps })
      for (let i = 1; i <= 5; i++) s.inject({ seq: i * 2000, len: 500 }).drain()
      s.inject({ seq: 12_000, len: 500 })
      expect(s.drain()[0].sack).toEqual([
        [12_000, 12_500],
        [10_000, 10_500],
        [8000, 8500],
        ...(timestamps ? [] : [[6000, 6500]]),
      ])
    }
  })

  it('[rfc2883#4.1] tells of a duplicate before all else', () => {
    const s = established({ sack: true }).burst({ len: 1000 }, { seq: 2001, len: 1000 })
    s.drain()
    s.inject({ seq: 1, len: 1000 }).expectSent(
      ack(1001, {
        sack: [
          [1, 1001],
          [2001, 3001],
        ],
      }),
    )
    // Above the ACK too, within a block that follows.
    s.inject({ seq: 2001, len: 1000 }).expectSent(
      ack(1001, {
        sack: [
          [2001, 3001],
          [2001, 3001],
        ],
      }),
    )
    expect(s.mib).toMatchObject({ TCPDSACKOldSent: 1, TCPDSACKOfoSent: 1 })
  })

  it('tcp_dsack 0: does not', () => {
    const s = established({ sack: true, sysctl: { tcp_dsack: 0 } }).burst({ len: 1000 }, { seq: 2001, len: 1000 })
    s.drain()
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(1001, { sack: [[2001, 3001]] }))
    s.inject({ seq: 2001, len: 1000 }).expectSent(ack(1001, { sack: [[2001, 3001]] }))
    expect(s.mib).toMatchObject({ TCPDSACKOldSent: 0, TCPDSACKOfoSent: 0 })
  })

  it('[rfc2018#2] tells nothing where it was not agreed', () => {
    established()
      .inject({ seq: 1001, len: 10 })
      .expectSent(ack(1, { sack: [] }))
  })
})
