import { describe, expect, it } from 'vitest'
import type { Tracer } from '../../../src/observe/tracer.ts'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { deafTracer } from '../../support/deaf-tracer.ts'
import { CLASSIC, data, established, type Script, type ScriptOptions } from '../../support/script.ts'

// Errors that do not end a connection: rfc9293#3.9.1.8, #3.9.2.2, and the first threshold of #3.8.3.

const RTOS = [300, 900, 2100, 4500]

/** A tracer that hears of soft errors only. */
function listener(): { heard: number[]; tracer: Tracer } {
  const heard: number[] = []
  return { heard, tracer: { ...deafTracer, softError: (_id, _now, reason) => heard.push(reason) } }
}

const classic = (options: ScriptOptions = {}): Script =>
  established({ ...options, sysctl: { ...CLASSIC, ...options.sysctl } })
const unreachable = (s: Script): Script => s.do((c, now) => c.pathUnreachable(CloseReason.HostUnreachable, now))
const shown = (s: Script): string => s.c.info(s.nowUs).soft_error

describe('soft errors', () => {
  it('[rfc9293#3.9.1.8 MUST-47] are told to a tracer, once each', () => {
    const { heard, tracer } = listener()
    const s = classic({ tracer })
    unreachable(unreachable(s)).expectState(State.ESTABLISHED).expectEvents()
    s.refuse().drain()
    expect(heard).toEqual([CloseReason.HostUnreachable, CloseReason.Refused])
  })

  it('[rfc9293#3.9.1.8 SHLD-20] [rfc1122#4.2.4.1] nobody else hears of them', () => {
    const s = unreachable(classic()).expectSent().expectEvents().expectState(State.ESTABLISHED).expectQuiet()
    // A tracer that does not care.
    unreachable(classic({ tracer: deafTracer }))
      .expectEvents()
      .expectState(State.ESTABLISHED)
    expect(s.c.closeReason).toBe(CloseReason.None)
  })

  it('[rfc9293#3.9.2.2 SHLD-25] show in info, until something is acknowledged', () => {
    const s = unreachable(classic())
    expect(shown(s)).toBe('EHOSTUNREACH')
    s.inject({})
    expect(shown(s)).toBe('')
    s.do((c, now) => c.pathUnreachable(CloseReason.NetUnreachable, now))
    expect(shown(s)).toBe('ENETUNREACH')
    s.inject({ len: 10 }).drain()
    expect(shown(s)).toBe('')
    s.refuse().drain()
    expect(shown(s)).toBe('ECONNREFUSED')
  })

  it('linux: give the reason when the connection is given up', () => {
    const s = classic({ sysctl: { tcp_retries2: 3 } })
      .write(10)
      .expectSent(data(1, 11))
    unreachable(s)
    for (const t of RTOS.slice(0, 3)) s.expectAt(t, data(1, 11))
    s.at(4500).expectState(State.CLOSE)
    expect(s.c.closeReason).toBe(CloseReason.HostUnreachable)
    // A refusal that was not repeated is not believed then either.
    const refused = classic({ sysctl: { tcp_retries2: 3 } })
      .write(10)
      .refuse()
    refused.drain()
    refused.elapse(4500).expectState(State.CLOSE)
    expect(refused.c.closeReason).toBe(CloseReason.TimedOut)
  })
})

describe('R1', () => {
  it('[rfc9293#3.8.3 SHLD-9] is told of when it is passed, and long before R2', () => {
    const { heard, tracer } = listener()
    const s = classic({ tracer }).write(10).expectSent(data(1, 11))
    for (const t of RTOS.slice(0, 2)) s.expectAt(t, data(1, 11))
    expect([heard.length, shown(s)]).toEqual([0, ''])
    s.expectAt(2100, data(1, 11)).expectState(State.ESTABLISHED).expectEvents()
    expect(heard).toEqual([CloseReason.TimedOut])
    expect(shown(s)).toBe('ETIMEDOUT')
    s.expectAt(4500, data(1, 11)).at(4600).inject({ ack: 11 })
    expect(heard).toEqual([CloseReason.TimedOut])
    expect(shown(s)).toBe('')
  })

  it('does not hide what the path has said', () => {
    const { heard, tracer } = listener()
    const s = unreachable(classic({ tracer })).write(10)
    s.drain()
    for (const t of RTOS.slice(0, 3)) s.expectAt(t, data(1, 11))
    expect(heard).toEqual([CloseReason.HostUnreachable, CloseReason.TimedOut])
    expect(shown(s)).toBe('EHOSTUNREACH')
  })

  // From then on the path is suspected of swallowing what is large (tcp_mtu_probing).
  const sizes = (options: ScriptOptions['sysctl'] = {}): number[] => {
    const s = classic({ sysctl: { tcp_base_mss: 500, ...options } }).write(1000)
    s.drain()
    return RTOS.map((t) => s.wait(t).drain()[0].len)
  }

  it('[rfc9293#3.8.3 SHLD-10] is three retransmissions, as long as nobody says otherwise', () => {
    expect(sizes()).toEqual([1000, 1000, 500, 500])
  })

  it('is what tcp_retries1 says', () => {
    expect(sizes({ tcp_retries1: 1 })).toEqual([500, 500, 500, 500])
    expect(sizes({ tcp_retries1: 4 })).toEqual([1000, 1000, 1000, 500])
  })
})
