import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { ack, closeWait, established, finWait2 } from '../../support/script.ts'

// Guesses from off the path: rfc5961, linux: tcp_send_challenge_ack, tcp_invalid_ratelimit.

describe('blind attacks', () => {
  it('[rfc5961#3.2] a RST in the window, but not exact, is challenged', () => {
    const s = established()
      .inject({ flags: 'R', seq: 2 })
      .expectSent(ack(1, { seq: 1 }))
      .expectState(State.ESTABLISHED)
    expect(s.mib.TCPChallengeACK).toBe(1)
    // The peer, if it was it, comes back with the number that the challenge told.
    s.inject({ flags: 'R', seq: 1 }).expectState(State.CLOSE)
    finWait2().inject({ flags: 'R.', seq: 60_000 }).expectSent(ack(1)).expectState(State.FIN_WAIT2)
  })

  it.each([-70_000, 0, 1, 100, 70_000])('[rfc5961#4.2] a SYN at %d is challenged', (seq) => {
    const s = established()
      .inject({ flags: 'S', seq, mss: 1000 })
      .expectSent(ack(1, { seq: 1 }))
      .expectState(State.ESTABLISHED)
    expect(s.mib).toMatchObject({ TCPChallengeACK: 1, TCPSYNChallenge: 1 })
    closeWait().inject({ flags: 'S.', seq, mss: 1000 }).expectSent(ack(2)).expectState(State.CLOSE_WAIT)
  })

  it('[rfc5961#5.2] [rfc9293#3.10.7.4 MAY-12] an ACK older than the largest window ever offered is challenged, and its data dropped', () => {
    const s = established({ sndWnd: 4000 })
    for (let i = 0; i < 5; i++) {
      s.write(2000).drain()
      s.inject({ ack: 1 + 2000 * (i + 1) })
    }
    s.inject({ ack: 10_001 - 4000, len: 10 }).expectSent(ack(11))
    s.inject({ ack: 10_001 - 4001, len: 10 }).expectSent(ack(11))
    expect(s.mib.TCPChallengeACK).toBe(1)
    expect(s.readAll()).toBe(10)
  })

  it('linux: nor is anything from before the connection an ACK', () => {
    const s = established().inject({ ack: 0, len: 10 }).expectSent(ack(1)).inject({ ack: -100, len: 10 }).expectSent()
    expect(s.readAll()).toBe(0)
    s.write(100).drain()
    s.inject({ ack: 101 }).inject({ ack: 1, len: 10 }).expectSent(ack(11))
    expect(s.readAll()).toBe(10)
    // A FIN is no byte of it.
    expect(finWait2().inject({ ack: 1, len: 10 }).expectSent(ack(11)).readAll()).toBe(10)
  })

  it('[rfc5961#5.2] an ACK of what was never sent is challenged', () => {
    const s = established().inject({ ack: 2, len: 10 }).expectSent(ack(1))
    expect(s.mib.TCPChallengeACK).toBe(1)
    expect(s.readAll()).toBe(0)
  })

  it('[rfc5961#7] challenges are at least tcp_invalid_ratelimit apart', () => {
    const s = established().inject({ flags: 'R', seq: 2 }).expectSent(ack(1))
    s.at(100).inject({ flags: 'S', seq: 5 }).inject({ flags: 'R', seq: 9 }).inject({ ack: 77 }).expectSent()
    expect(s.mib).toMatchObject({ TCPChallengeACK: 1, TCPACKSkippedChallenge: 3, TCPSYNChallenge: 1 })
    s.at(499.999).inject({ flags: 'R', seq: 2 }).expectSent().at(500).inject({ flags: 'R', seq: 2 }).expectSent(ack(1))
    const often = established({ sysctl: { tcp_invalid_ratelimit: 0 } })
    for (let i = 0; i < 3; i++) often.inject({ flags: 'R', seq: 2 }).expectSent(ack(1))
  })

  it('[rfc5961#7] and no more than the stack may send', () => {
    const s = established()
    s.mayChallenge = false
    s.inject({ flags: 'R', seq: 2 }).inject({ flags: 'S', seq: 2 }).expectSent()
    expect(s.mib.TCPACKSkippedChallenge).toBe(2)
    s.mayChallenge = true
    s.inject({ flags: 'R', seq: 2 }).expectSent(ack(1))
  })
})
