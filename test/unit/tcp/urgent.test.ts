import { describe, expect, it } from 'vitest'
import type { Tracer } from '../../../src/observe/tracer.ts'
import { State } from '../../../src/tcp/index.ts'
import { deafTracer } from '../../support/deaf-tracer.ts'
import { ack, established, type ScriptOptions } from '../../support/script.ts'

// rfc9293#3.8.5, rfc6093: the urgent pointer is a mark in the stream and nothing more; what it marks is delivered in line.

/** A tracer that hears of nothing but urgent data: of how many bytes, each time. */
function listener(): { heard: number[]; tracer: Tracer } {
  const heard: number[] = []
  return { heard, tracer: { ...deafTracer, urgentData: (_id, _now, bytes) => heard.push(bytes) } }
}

const roomy: ScriptOptions = { connection: { rcvbuf: 65_535 } }

describe('urgent data', () => {
  it('[rfc9293#3.8.5 MUST-30] is delivered in line, in its place', () => {
    const s = established().inject({ len: 5 }).expectSent(ack(6))
    s.inject({ flags: 'UP.', len: 10, up: 10 }).expectSent(ack(16)).inject({ len: 5 }).expectSent(ack(21))
    // Every byte is compared with what the peer sent at its place.
    expect(s.readAll()).toBe(20)
  })

  it('[rfc9293#3.8.5 MUST-31] may be of any length, over many segments', () => {
    const s = established(roomy).inject({ flags: 'U.', len: 1000, up: 20_000 }).expectSent(ack(1001))
    expect(s.c.urgent).toBe(20_000)
    for (let i = 1; i < 20; i++) s.burst({ flags: 'U.', len: 1000, up: 20_000 - i * 1000 }).drain()
    expect(s.c.urgent).toBe(20_000)
    expect(s.readAll()).toBe(20_000)
    expect(s.c.urgent).toBe(0)
    // The largest pointer that there is.
    s.inject({ flags: 'U.', up: 65_535 })
    expect(s.c.urgent).toBe(65_535)
  })

  it('[rfc9293#3.8.5 MUST-62] ends before the octet that the pointer names', () => {
    const s = established().inject({ flags: 'U.', len: 10, up: 3 }).expectSent(ack(11))
    expect(s.c.urgent).toBe(3)
    const none = established().inject({ flags: 'U.', len: 10, up: 0 }).expectSent(ack(11))
    expect(none.c.urgent).toBe(0)
  })

  it('[rfc9293#3.8.5 MUST-32] is told of when it appears and when the pointer advances, and not otherwise', () => {
    const { heard, tracer } = listener()
    const s = established({ tracer }).burst({ len: 10 }, { len: 10, up: 9 })
    s.drain()
    expect(heard).toEqual([])
    s.burst({ flags: 'U.', len: 10, up: 10 }, { flags: 'U.', up: 0 }, { flags: 'U.', len: 1, up: 5 }).drain()
    // 20 bytes unread before it; then five bytes on from where it had ended.
    expect(heard).toEqual([30, 35])
    s.readAll()
    s.drain()
    expect(s.c.urgent).toBe(4)
    s.inject({ len: 4 }).drain()
    s.readAll()
    // What has been read is not urgent any more, wherever a late pointer may point.
    s.inject({ flags: 'U.', seq: 1, len: 35, up: 35 }).drain()
    expect([heard.length, s.c.urgent]).toEqual([2, 0])
    s.inject({ flags: 'U.', len: 1, up: 1 }).drain()
    expect(heard).toEqual([30, 35, 1])
  })

  it('[rfc9293#3.8.5 MUST-33] info tells how much of it is still to be read', () => {
    const s = established()
    const urgent = (): number => s.c.info(s.nowUs).urgent
    expect(urgent()).toBe(0)
    s.inject({ flags: 'U.', len: 100, up: 150 }).drain()
    expect(urgent()).toBe(150)
    s.readAll()
    expect(urgent()).toBe(50)
    s.inject({ len: 60 }).drain()
    expect(urgent()).toBe(50)
    s.readAll()
    expect(urgent()).toBe(0)
  })

  it('[rfc9293#3.4 MUST-66] is heard of with a window of zero', () => {
    const s = established({ connection: { rcvbuf: 500 } })
      .inject({ len: 500 })
      .expectSent(ack(501, { wnd: 0 }))
    s.inject({ flags: 'U.', seq: 501, up: 7 }).expectSent()
    expect(s.c.urgent).toBe(507)
    s.inject({ flags: 'U.', seq: 501, len: 20, up: 20 }).expectSent(ack(501, { wnd: 0 }))
    expect(s.c.urgent).toBe(520)
  })

  it('[rfc9293#3.10.7.4] nothing is, after the FIN of the peer or outside the window', () => {
    const s = established().inject({ flags: 'F.' }).expectSent(ack(2)).expectState(State.CLOSE_WAIT)
    s.inject({ flags: 'U.', up: 5 })
    expect(s.c.urgent).toBe(0)
    const outside = established().inject({ flags: 'U.', seq: 100_000, up: 5 }).expectSent(ack(1))
    expect(outside.c.urgent).toBe(0)
  })

  it('means nothing to who wants to read nothing', () => {
    const s = established().do((c) => c.shutdownRead())
    s.inject({ flags: 'U.', len: 10, up: 100 }).drain()
    expect(s.c.urgent).toBe(0)
  })
})
