import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { ack, CLASSIC, data, established, type Script, type ScriptOptions, segments } from '../../support/script.ts'

// Without SACK: rfc5681#3.2, rfc6582. A window of ten segments of 1000 bytes.

const classic = (options: ScriptOptions = {}): Script =>
  established({ ...options, connection: { sndbuf: 1_000_000 }, sysctl: { ...CLASSIC, ...options.sysctl } })

/** So many segments are out at 0, and more than a window waits where `more`. */
function flight(count: number, options: ScriptOptions = {}): Script {
  const s = classic(options).write(count * 1000)
  s.expectSent(...segments(Math.min(count, 10), 1))
  return s
}

const duplicates = (s: Script, count: number, number = 1): Script => s.repeat(count, { ack: number })

describe('fast retransmit', () => {
  it('[rfc5681#3.2] the third duplicate ACK is taken for a loss', () => {
    const s = flight(10).at(100).inject({ ack: 1 }).inject({ ack: 1 }).expectSent()
    expect(s.c.recovery.caState).toBe(CaState.Disorder)
    s.inject({ ack: 1 }).expectSent(data(1, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 3, snd_ssthresh: 5, lost: 1, retrans: 1 })
    expect(s.mib).toMatchObject({ TCPFastRetrans: 1, TCPRenoRecovery: 1, TCPTimeouts: 0 })
    duplicates(s, 6).expectSent().at(200).inject({ ack: 10_001 }).expectSent()
  })

  it('tcp_reordering says how many it takes', () => {
    const s = flight(10, { sysctl: { tcp_reordering: 5 } }).at(100)
    duplicates(s, 4).expectSent().inject({ ack: 1 }).expectSent(data(1, 1001))
  })

  it('[rfc3042] the first two duplicates let new data out', () => {
    const s = flight(20).at(100).inject({ ack: 1 }).expectSent(data(10_001, 11_001)).inject({ ack: 1 })
    s.expectSent(data(11_001, 12_001)).inject({ ack: 1 }).expectSent(data(1, 1001))
  })

  it('[rfc5681#2] an ACK with data, with another window, or with nothing outstanding is no duplicate', () => {
    const s = flight(10).at(100)
    for (let i = 0; i < 4; i++) s.inject({ ack: 1, len: 1000 }).expectSent(ack(1001 + i * 1000, { len: 0 }))
    for (let i = 0; i < 4; i++) s.inject({ ack: 1, wnd: 60_000 - i }).expectSent()
    s.inject({ ack: 10_001 })
    duplicates(s, 5, 10_001).expectSent()
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.c.cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
  })

  it('[rfc6582#3.2] a partial ACK shows the next loss; one reduction for all of them', () => {
    const s = duplicates(flight(10).at(100), 3).expectSent(data(1, 1001))
    duplicates(s, 5).expectSent()
    s.at(200).inject({ ack: 3001 }).expectSent(data(3001, 4001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 3, snd_ssthresh: 5, total_retrans: 2 })
    s.at(300).inject({ ack: 7001 }).expectSent(data(7001, 8001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 3, snd_ssthresh: 5, total_retrans: 3 })
    expect(s.mib).toMatchObject({ TCPRenoRecovery: 1, TCPFastRetrans: 3 })
  })

  it('[rfc6582#3.2] the episode ends above the recovery point, with the threshold for a window', () => {
    const s = duplicates(flight(11).at(100), 10).expectSent(data(10_001, 11_001), data(1, 1001)).write(3000)
    s.drain()
    s.at(200).inject({ ack: 11_001 })
    s.drain()
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
    s.at(300).inject({ ack: 12_001 })
    s.drain()
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 0, snd_cwnd: 5, snd_ssthresh: 5 })
  })

  it('[rfc6582#4.1] newreno_exit 0: it ends at the recovery point', () => {
    const s = duplicates(flight(10, { sysctl: { newreno_exit: 0 } }).at(100), 9).expectSent(data(1, 1001))
    s.write(3000)
    s.drain()
    s.at(200).inject({ ack: 10_001 })
    s.drain()
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 0, snd_cwnd: 5 })
  })

  it('[rfc6582#4.1] duplicates of what was sent needlessly start no other episode', () => {
    const s = duplicates(flight(10).at(100), 9).expectSent(data(1, 1001)).write(3000)
    s.drain()
    s.at(200).inject({ ack: 10_001 })
    s.drain()
    const { ssthresh } = s.c.cc
    duplicates(s, 4, 10_001).expectSent()
    expect(s.c.cc.ssthresh).toBe(ssthresh)
    expect(s.mib.TCPRenoRecovery).toBe(1)
  })

  it('[rfc6582#4.1] not even if nothing was outstanding when the last episode ended', () => {
    const s = flight(4).expectAt(300, data(1, 1001)).at(310).inject({ ack: 4001 }).expectSent()
    s.write(4000).expectSent(...segments(4, 4001))
    const { ssthresh } = s.c.cc
    duplicates(s, 4, 4001).expectSent()
    expect(s.c.cc.ssthresh).toBe(ssthresh)
    s.inject({ ack: 8001 })
      .write(4000)
      .expectSent(...segments(4, 8001))
    duplicates(s, 3, 8001).expectSent(data(8001, 9001))
  })

  it('a segment that was only late ends the disorder', () => {
    const s = flight(10).at(100).inject({ ack: 1 }).inject({ ack: 1 }).inject({ ack: 10_001 }).expectSent()
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.c.info(s.nowUs)).toMatchObject({ snd_ssthresh: 0x7fff_ffff, sacked: 0 })
  })

  it('[rfc5681#3.2] a retransmission that is lost too waits for the timer', () => {
    const s = duplicates(flight(10).at(100), 9).expectSent(data(1, 1001))
    s.expectAt(400, data(1, 1001))
    expect(s.c.info(s.nowUs)).toMatchObject({ ca_state: 4, snd_cwnd: 1, snd_ssthresh: 5, sacked: 0, lost: 10 })
  })

  it('[rfc5681#3.2] small flights draw too few duplicates for it', () => {
    duplicates(flight(3).at(100), 2).expectSent().expectAt(300, data(1, 1001))
  })

  it('more duplicates than segments are believed as far as they can be', () => {
    const s = duplicates(flight(5).at(100), 20)
    s.drain()
    expect(s.c.info(s.nowUs)).toMatchObject({ sacked: 4, unacked: 5 })
    expect(s.inFlight).toBeGreaterThanOrEqual(0)
  })
})

describe('proportional rate reduction', () => {
  it('[rfc9937#6] what leaves follows what was delivered, until the flight is down to ssthresh', () => {
    const s = flight(30).at(100)
    const sent = Array.from({ length: 12 }, () =>
      s
        .inject({ ack: 1 })
        .drain()
        .map(({ seq }) => seq),
    )
    // Duplicates 1 and 2 by limited transmit; the third the retransmission; then one for two; then as many as arrive.
    expect(sent).toEqual([[10_001], [11_001], [1], [], [], [12_001], [], [], [13_001], [14_001], [15_001], [16_001]])
    expect(s.inFlight).toBe(5000)
    expect(s.c.cc.cwnd).toBe(5000)
  })

  it('[rfc9937#6.2] the first retransmission leaves whatever the window says', () => {
    const s = flight(10, { sndWnd: 10_000 }).at(100)
    s.burst({ ack: 1 }, { ack: 1 }, { ack: 1 }).expectSent(data(1, 1001))
  })

  it('[rfc9937#6] what the application did not use may leave later, up to ssthresh', () => {
    const s = duplicates(flight(10).at(100), 9).expectSent(data(1, 1001))
    s.write(20_000).expectSent(...segments(4, 10_001))
    expect(s.inFlight).toBe(5000)
  })
})
