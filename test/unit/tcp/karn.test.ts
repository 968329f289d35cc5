import { describe, expect, it } from 'vitest'
import { CLASSIC, data, established, type ScriptOptions } from '../../support/script.ts'

// Which acknowledgements give a round-trip time: rfc6298#3, rfc7323#4.1, linux: tcp_ack_update_rtt.

const classic = (options: ScriptOptions = {}) => established({ ...options, sysctl: CLASSIC })

describe('round-trip samples', () => {
  it('[rfc6298#2.3] of every acknowledgement of new data', () => {
    const s = classic().write(10)
    s.drain()
    s.at(60).inject({ ack: 11 })
    // linux: 100 − 40/8
    expect(s.c.info(s.nowUs)).toMatchObject({ rtt: 95_000, min_rtt: 60_000 })
  })

  it('[rfc6298#3] [rfc9293#3.8.1 MUST-18] a segment sent twice gives none, and the backoff stays', () => {
    const s = classic().write(10)
    s.drain()
    s.expectAt(300, data(1, 11)).at(310).inject({ ack: 11 })
    expect(s.c.info(s.nowUs)).toMatchObject({ rtt: 100_000, min_rtt: 100_000, rto: 600_000, backoff: 1 })
    s.write(10).expectSent(data(11, 21)).expectAt(910, data(11, 21)).at(920).inject({ ack: 21 })
    expect(s.c.rto).toBe(1_200_000)
    s.write(10).expectSent(data(21, 31)).at(1020).inject({ ack: 31 })
    expect(s.c.info(s.nowUs)).toMatchObject({ rto: 300_000, backoff: 0 })
  })

  it('[rfc7323#4.1] unless timestamps tell which copy was answered', () => {
    const s = classic({ timestamps: true }).write(10)
    s.drain()
    s.expectAt(300, data(1, 11)).at(340).inject({ ack: 11 })
    expect(s.c.info(s.nowUs)).toMatchObject({ rtt: 92_500, backoff: 0 })
  })

  it('linux: what waited behind a hole was held up by the loss, not by the path', () => {
    const s = classic().write(3000)
    s.drain()
    s.expectAt(300, data(1, 1001)).at(400).inject({ ack: 3001 })
    expect(s.c.info(s.nowUs).rtt).toBe(100_000)
  })

  it('linux: the oldest of what is acknowledged is timed, the delay of the ACK with it', () => {
    const s = classic({ connection: { noDelay: true } }).write(10)
    s.drain()
    s.at(30).write(10).expectSent(data(11, 21)).at(140).inject({ ack: 21 })
    // 100 + 40/8; the newest took 110 ms.
    expect(s.c.info(s.nowUs)).toMatchObject({ rtt: 105_000, min_rtt: 100_000 })
  })

  it('[rfc7323#4.1] an ACK that acknowledges nothing new gives none', () => {
    const s = classic({ timestamps: true })
    s.at(5000).inject({ ts: [800_000, 1100] })
    expect(s.c.info(s.nowUs).rtt).toBe(100_000)
  })
})
