import { describe, expect, it } from 'vitest'
import { ack, data, established, type Script, type ScriptOptions } from '../../support/script.ts'

// When an ACK leaves: rfc9293#3.8.6.3, rfc5681#4.2, linux: __tcp_ack_snd_check, tcp_event_data_recv.

/** An established connection whose quick ACKs are used up: so far so many segments came, 10 ms apart. */
function patient(options: ScriptOptions = {}): Script {
  const s = established(options)
  for (let i = 0; i < 16; i++)
    s.after(10)
      .inject({ len: 1000 })
      .expectSent(ack(1001 + i * 1000))
  return s.restart()
}

describe('delayed ACK', () => {
  it('linux: the first sixteen segments are acknowledged at once, for the peer is in slow start', () => {
    const s = patient()
    s.inject({ len: 1000 }).expectSent()
    expect(s.deadline).toBe(40)
  })

  it('[rfc9293#3.8.6.3 SHLD-18] then an ACK may wait, [MUST-40] for less than half a second: linux: 40 ms', () => {
    const s = patient().inject({ len: 500 }).expectSent().expectAt(40, ack(16_501))
    expect(s.mib.DelayedACKs).toBe(1)
    s.expectQuiet()
  })

  it('[rfc9293#3.8.6.3 SHLD-19] [rfc5681#4.2] but every second full segment is acknowledged at once', () => {
    const s = patient().inject({ len: 1000 }).expectSent().inject({ len: 1000 }).expectSent(ack(18_001))
    s.inject({ len: 1000 }).expectSent().inject({ len: 1000 }).expectSent(ack(20_001)).expectQuiet()
  })

  it('small segments add up to that', () => {
    patient().repeat(10, { len: 100 }).expectSent().inject({ len: 1 }).expectSent(ack(17_002)).expectQuiet()
  })

  it('[rfc9293#3.10.7.4 MUST-58] rides on data where there is some', () => {
    patient()
      .inject({ len: 100 })
      .expectSent()
      .at(5)
      .write(10)
      .expectSent(data(1, 11, { ack: 16_101 }))
      .inject({ ack: 11 })
      .expectQuiet()
  })

  it('linux: in a conversation it waits for the answer', () => {
    const s = established()
    s.inject({ len: 100 }).expectSent(ack(101))
    // An answer soon after: from now on nothing is acknowledged at once, though quick ACKs are left.
    s.at(10).write(10).expectSent(data(1, 11))
    s.at(20)
      .inject({ len: 100, ack: 11 })
      .expectSent()
      .at(30)
      .write(10)
      .expectSent(data(11, 21, { ack: 201 }))
    // None comes: then it is no conversation.
    s.at(40)
      .inject({ len: 100, ack: 21 })
      .expectSent()
      .expectAt(80, ack(301))
      .at(90)
      .inject({ len: 100 })
      .expectSent(ack(401))
  })

  it('linux: once the application has read the end of what was sent, there is nothing to wait for', () => {
    const s = patient()
    s.readAll()
    s.inject({ flags: 'P.', len: 100 }).expectSent()
    expect(s.readAll()).toBe(100)
    s.expectSent(ack(16_101)).expectQuiet()
    // But in a conversation its answer is waited for.
    const talk = established()
    talk.inject({ len: 100 }).expectSent(ack(101)).at(10).write(10).expectSent(data(1, 11))
    talk.at(20).inject({ flags: 'P.', len: 100, ack: 11 }).expectSent()
    talk.readAll()
    talk.expectSent().expectAt(60, ack(201))
  })

  it('tcp_pingpong_thresh says after how many exchanges', () => {
    const s = established({ sysctl: { tcp_pingpong_thresh: 3 } })
    for (let i = 0; i < 3; i++) {
      s.inject({ len: 100, ack: 1 + i * 10 }).expectSent(ack(101 + i * 100))
      s.write(10).expectSent(data(1 + i * 10, 11 + i * 10))
    }
    s.inject({ len: 100, ack: 31 }).expectSent()
  })

  it('linux: after a silence of more than an RTO the peer begins slowly, and is acknowledged quickly again', () => {
    patient().at(299).inject({ len: 100 }).expectSent().expectAt(339, ack(16_101))
    patient().at(301).inject({ len: 100 }).expectSent(ack(16_101))
  })

  it('linux: quick ACKs are counted, not the segments that they acknowledge', () => {
    const s = established()
    for (let i = 0; i < 8; i++)
      s.burst({ len: 1000 }, { seq: 1001 + i * 2000, len: 1000 }).expectSent(ack(2001 + i * 2000))
    s.inject({ len: 1000 }).expectSent(ack(17_001))
  })

  it('linux: ends when the application has read all, if the peer sent no more at once', () => {
    const s = patient().inject({ flags: 'P.', len: 1000 }).expectSent()
    expect(s.readAll()).toBe(17_000)
    s.expectSent(ack(17_001)).inject({ len: 10 }).expectSent()
    s.readAll()
    s.expectSent(ack(17_011)).expectQuiet()
    // A full one without PSH is followed by others.
    s.inject({ len: 1000 }).expectSent().readAll()
    s.expectSent().expectAt(40, ack(18_011))
  })

  it('linux: not in a conversation, unless that was not all', () => {
    const s = established().inject({ len: 1000 }).expectSent(ack(1001)).at(10).write(10).expectSent(data(1, 11))
    s.inject({ ack: 11, len: 10 }).readAll()
    s.expectSent().inject({ len: 10 }).readAll()
    s.expectSent(ack(1021))
  })

  it('tcp_delack_min_ms and tcp_delack_max_ms bound it', () => {
    patient({ sysctl: { tcp_delack_min_ms: 25 } })
      .inject({ len: 100 })
      .expectSent()
      .expectAt(25, ack(16_101))
    patient({ sysctl: { tcp_delack_max_ms: 10 } })
      .inject({ len: 100 })
      .expectSent()
      .expectAt(10, ack(16_101))
  })

  it('linux: waits no longer than a round trip, however seldom segments come', () => {
    const s = patient({ rtt: 60 })
    let delay = 0
    for (let i = 0; i < 8; i++) {
      const at = s.t + 150
      s.at(at)
        .inject({ len: 100 })
        .wait(at + 500)
        .drain()
      delay = Math.max(delay, s.t - at)
    }
    expect(delay).toBeGreaterThan(40)
    expect(delay).toBeLessThanOrEqual(60)
  })
})

describe('ACKs that do not wait', () => {
  it('[rfc5681#4.2] [rfc9293#3.10.7.4 MAY-13] of a segment out of order', () => {
    const s = patient()
      .inject({ seq: 17_001, len: 1000 })
      .expectSent(ack(16_001))
      .inject({ seq: 18_001, len: 1000 })
      .expectSent(ack(16_001))
    expect(s.mib.TCPOFOQueue).toBe(2)
  })

  it('[rfc5681#4.2] of one that fills a gap, wholly or in part', () => {
    const s = patient().inject({ seq: 17_001, len: 1000 }).expectSent(ack(16_001)).inject({ seq: 19_001, len: 1000 })
    s.expectSent(ack(16_001))
      .inject({ seq: 16_001, len: 1000 })
      .expectSent(ack(18_001))
      .inject({ seq: 18_001, len: 1000 })
    s.expectSent(ack(20_001)).expectQuiet()
    expect(s.readAll()).toBe(20_000)
  })

  it('of one that came already', () => {
    const s = patient().inject({ seq: 15_001, len: 1000 }).expectSent(ack(16_001))
    s.inject({ seq: 17_001, len: 1000 })
      .expectSent(ack(16_001))
      .inject({ seq: 17_001, len: 1000 })
      .expectSent(ack(16_001))
    expect(s.mib).toMatchObject({ TCPOFOQueue: 1, TCPOFOMerge: 1 })
  })

  it('[rfc9293#3.10.7.4] of the FIN', () => {
    patient().inject({ flags: 'F.' }).expectSent(ack(16_002))
  })

  it('[rfc5681#3.2] [rfc5681#4.2] without SACK one for each segment out of order, for the sender counts them', () => {
    const s = patient()
    s.burst({ seq: 17_001, len: 1000 }, { seq: 18_001, len: 1000 }, { seq: 19_001, len: 1000 })
    s.expectSent(ack(16_001), ack(16_001), ack(16_001))
    s.burst({ seq: 16_001, len: 10 }, { seq: 20_001, len: 1000 }, { seq: 21_001, len: 1000 })
    s.expectSent(ack(16_011), ack(16_011), ack(16_011))
  })

  it('none of them once the gap has closed in the same turn', () => {
    patient()
      .burst({ seq: 17_001, len: 1000 }, { seq: 18_001, len: 1000 }, { seq: 16_001, len: 1000 })
      .expectSent(ack(19_001))
  })

  it('with SACK one tells of all', () => {
    const s = patient({ sack: true }).burst({ seq: 17_001, len: 1000 }, { seq: 19_001, len: 1000 })
    s.expectSent(
      ack(16_001, {
        sack: [
          [19_001, 20_001],
          [17_001, 18_001],
        ],
      }),
    )
  })

  it('a path that takes nothing loses none of them', () => {
    const s = patient()
    s.blocked = true
    s.burst({ seq: 17_001, len: 1000 }, { seq: 18_001, len: 1000 }).pull().pull().expectSent()
    s.blocked = false
    s.pull().expectSent(ack(16_001), ack(16_001)).expectQuiet()
  })
})
