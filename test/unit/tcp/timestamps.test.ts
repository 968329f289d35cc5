import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { ack, data, established, finWait2, type Script, type ScriptOptions } from '../../support/script.ts'

// Timestamps and what they guard against: rfc7323#3 to #5, linux: tcp_paws_check, tcp_replace_ts_recent.

const DAY = 86_400_000
/** An echo that is nobody's. */
const NO_ECHO = 0

const stamped = (options: ScriptOptions = {}): Script => established({ timestamps: true, ...options })

/** The same, with its quick ACKs used up; the last timestamp was 800,000. */
function patient(): Script {
  const s = stamped()
  for (let i = 0; i < 16; i++)
    s.after(10)
      .inject({ len: 1000, ts: [800_000, NO_ECHO] })
      .drain()
  return s.restart()
}

describe('timestamps', () => {
  it('[rfc7323#3.2] are in every segment once agreed, and count milliseconds', () => {
    const s = stamped()
      .at(500)
      .write(10)
      .expectSent(data(1, 11, { ts: [1600, 701_100] }))
    s.at(600)
      .inject({ ack: 11, ts: [900_000, 1600] })
      .at(700)
      .end()
      .expectSent({ flags: 'F.', ts: [1800, 900_000] })
    finWait2({ timestamps: true })
      .at(50)
      .inject({ flags: 'F.', ts: [900_000, 1] })
      .expectSent(ack(2, { ts: [1150, 900_000] }))
  })

  it('[rfc7323#5.4] begin anywhere', () => {
    const s = stamped({ connection: { tsOffset: 0x7fff_ff00 } })
    s.write(10)
    expect((s.drain()[0].ts as [number, number])[0]).toBe((1100 + 0x7fff_ff00) | 0)
  })

  it('[rfc7323#3.2] cost twelve bytes of every segment', () => {
    stamped().write(2000).expectSent(data(1, 989), data(989, 1977), data(1977, 2001))
  })

  it('linux: a segment that lacks them is taken all the same', () => {
    const s = stamped().inject({ len: 10, ts: null }).expectSent(ack(11))
    expect(s.readAll()).toBe(10)
  })
})

describe('TS.Recent', () => {
  it('[rfc7323#4.3] a delayed ACK echoes the first of what it acknowledges', () => {
    const s = patient()
      .inject({ len: 1000, ts: [800_001, NO_ECHO] })
      .expectSent()
    s.at(5)
      .inject({ len: 1000, ts: [800_006, NO_ECHO] })
      .expectSent(ack(18_001, { ts: [1265, 800_001] }))
  })

  it('[rfc7323#4.3] an ACK of something out of order echoes what came in order last', () => {
    const s = patient().inject({ seq: 17_001, len: 1000, ts: [800_002, NO_ECHO] })
    expect(s.drain()[0].ts?.[1]).toBe(800_000)
    s.inject({ seq: 18_001, len: 1000, ts: [800_003, NO_ECHO] })
    expect(s.drain()[0].ts?.[1]).toBe(800_000)
    // The segment that fills the gap is the newest of its kind.
    s.inject({ seq: 16_001, len: 1000, ts: [800_009, NO_ECHO] }).expectSent(ack(19_001))
    s.write(5)
    expect(s.drain()[0].ts?.[1]).toBe(800_009)
  })

  it('[rfc7323#4.3] is not moved by a segment beyond what was acknowledged', () => {
    const s = stamped()
      .inject({ seq: 1001, len: 10, ts: [999_999, NO_ECHO] })
      .expectSent(ack(1, { ts: [1100, 701_100] }))
    s.inject({ len: 10, ts: [701_101, NO_ECHO] }).expectSent(ack(11, { ts: [1100, 701_101] }))
  })
})

describe('PAWS', () => {
  it('[rfc7323#5.3] a segment older than what was seen is acknowledged and dropped', () => {
    const s = stamped()
      .inject({ len: 10, ts: [701_099, NO_ECHO] })
      .expectSent(ack(1))
      .inject({ len: 10, ts: [701_099, NO_ECHO] })
    s.expectSent(ack(1)).expectEvents()
    expect(s.mib.PAWSEstab).toBe(2)
    expect(s.readAll()).toBe(0)
  })

  it('[rfc5961#7] its bare ACKs are answered twice a second at most', () => {
    const s = stamped()
      .inject({ ts: [1, NO_ECHO] })
      .expectSent(ack(1))
      .inject({ ts: [1, NO_ECHO] })
      .expectSent()
    expect(s.mib.TCPACKSkippedPAWS).toBe(1)
  })

  it('its acknowledgement and its window do not count either', () => {
    const s = stamped()
      .write(10)
      .expectSent(data(1, 11))
      .inject({ ack: 11, wnd: 5, ts: [1, NO_ECHO] })
      .expectSent(ack(1, { seq: 11 }))
    expect(s.c.info(s.nowUs)).toMatchObject({ unacked: 1, snd_wnd: 65_535 })
  })

  it('[rfc7323#5.2] compares on a circle', () => {
    const s = stamped()
      .inject({ len: 10, ts: [0x7fff_ffff, NO_ECHO] })
      .expectSent(ack(11))
    s.inject({ len: 10, ts: [0x8000_0005, NO_ECHO] }).expectSent(ack(21))
    expect(s.readAll()).toBe(20)
  })

  it('tcp_timestamps 0: there is no such guard', () => {
    const s = established({ timestamps: true, sysctl: { tcp_timestamps: 0 } })
    s.burst({ len: 10, ts: [701_100, 0] }, { len: 10, ts: [1, 0] })
    expect(s.readAll()).toBe(20)
    expect(s.mib.PAWSEstab).toBe(0)
  })

  it('[rfc7323#5.3] lets a RST through', () => {
    stamped()
      .inject({ flags: 'R', ts: [1, NO_ECHO] })
      .expectState(State.CLOSE)
  })

  it('[rfc7323#5.5] forgets after 24 days, when the clock of the peer may have gone round', () => {
    const s = stamped()
      .inject({ len: 10, ts: [701_200, NO_ECHO] })
      .expectSent(ack(11))
    s.at(24 * DAY - 1)
      .inject({ len: 10, ts: [1, NO_ECHO] })
      .expectSent(ack(11))
    s.at(24 * DAY)
      .inject({ len: 10, ts: [1, NO_ECHO] })
      .expectSent(ack(21, { ts: [1100 + 24 * DAY, 1] }))
  })
})
