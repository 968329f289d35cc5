import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { ack, data, type Script, type ScriptOptions, synSent } from '../../support/script.ts'

// Both sides open at once: rfc9293#3.5, figure 7.

const crossed = (options: ScriptOptions = {}): Script => {
  const s = synSent(options)
  return s
    .at(50)
    .inject({ flags: 'S', seq: 0, ...s.offers })
    .expectState(State.SYN_RECV)
}

describe('simultaneous open', () => {
  it('[rfc9293#3.5 MUST-10] answers a SYN by a SYN-ACK, and is established by the SYN-ACK of the peer', () => {
    const s = crossed().expectSent({ t: 50, flags: 'S.', seq: 0, ack: 1, mss: 1460 })
    s.at(100).inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 })
    s.expectState(State.ESTABLISHED).expectEvents('connected')
    s.drain()
    s.expectQuiet().inject({ flags: 'P.', seq: 1, len: 10 }).expectSent(ack(11))
    s.write(10).expectSent(data(1, 11))
  })

  it('is as well established by an ACK', () => {
    crossed().drain()
    const s = crossed()
    s.drain()
    s.at(90)
      .inject({ seq: 1, ack: 1 })
      .expectSent()
      .expectState(State.ESTABLISHED)
      .expectEvents('connected')
      .expectQuiet()
  })

  it('[rfc7323#2.2] does not scale the window of that SYN-ACK', () => {
    const s = crossed({ wscale: 7, sndWnd: 3000 })
    s.drain()
    s.inject({ flags: 'S.', seq: 0, ack: 1, ...s.offers }).drain()
    expect(s.c.info(s.nowUs).snd_wnd).toBe(3000)
  })

  it('answers a SYN-ACK that comes again, so that the peer is established too', () => {
    const s = crossed()
    s.drain()
    s.inject({ flags: 'S.', seq: 0, ack: 1 }).drain()
    s.after(1000)
      .inject({ flags: 'S.', seq: 0, ack: 1 })
      .expectSent(ack(1, { seq: 1 }))
      .expectState(State.ESTABLISHED)
  })

  it('repeats its SYN-ACK as often as its SYN (tcp_syn_retries)', () => {
    const s = crossed({ sysctl: { tcp_syn_retries: 3, tcp_synack_retries: 0 } })
    s.expectSent({ flags: 'S.' })
    for (const t of [1050, 3050, 7050]) s.expectAt(t, { flags: 'S.', seq: 0, ack: 1 })
    s.at(15_050).expectState(State.CLOSE).expectEvents('closed')
    expect(s.c.closeReason).toBe(CloseReason.ConnectTimedOut)
    expect(s.mib.TCPAbortOnTimeout).toBe(1)
  })

  it('[rfc9293#3.10.7.4] a RST refuses it', () => {
    const s = crossed()
    s.drain()
    s.inject({ flags: 'R', seq: 1 }).expectState(State.CLOSE)
    expect(s.c.closeReason).toBe(CloseReason.Refused)
  })
})
