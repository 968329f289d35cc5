import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { CLASSIC, flight, type Script } from '../../support/script.ts'

// How the window comes down, by `cwnd_reduction`: rfc9937 (linux: tcp_cwnd_reduction), rate halving (linux before 3.2: tcp_cwnd_down), rfc6675#5
// and rfc5681#3.2. Ten segments of 1000 bytes were sent at 0 and thirty wait; the first is lost, and the ACKs of the other nine come one after the
// other. The threshold is five segments.

/** What each of the nine ACKs lets out, as the numbers of segments; the first two go by limited transmit (rfc3042). */
function course(s: Script): number[][] {
  return Array.from({ length: 9 }, (_, i) => {
    s.inject(s.c.sackOk ? { sack: [[1001, (i + 2) * 1000 + 1]] } : {})
    return s.drain().map(({ seq }) => (seq - 1) / 1000)
  })
}

const script = (cwnd_reduction: 'prr' | 'rate_halving' | 'rfc6675' | 'rfc5681', sack: boolean): Script =>
  flight(40, { sack, sysctl: { ...CLASSIC, cwnd_reduction } })

describe.each([
  ['SACK', true],
  ['duplicate ACKs', false],
] as const)('the reduction, by %s', (_, sack) => {
  it('[rfc9937#6] prr: every other ACK lets one out from the start, as the window is halved', () => {
    const s = script('prr', sack)
    expect(course(s)).toEqual([[10], [11], [0], [], [], [12], [], [], [13]])
    expect([s.c.cc.cwnd, s.c.cc.ssthresh]).toEqual([5000, 5000])
  })

  it('linux: rate_halving: every second one, exactly', () => {
    const s = script('rate_halving', sack)
    expect(course(s)).toEqual([[10], [11], [0], [], [12], [], [13], [], [14]])
    expect([s.c.cc.cwnd, s.c.cc.ssthresh]).toEqual([6000, 5000])
    s.at(200).inject({ ack: 10_001 }).drain()
    expect(s.c.cc.cwnd).toBe(5000)
  })

  it('[rfc6675#5] rfc6675: the window falls at once, and nothing leaves until the flight is that small', () => {
    const s = script('rfc6675', sack)
    const [first, second, third, ...rest] = course(s)
    expect([first, second, third]).toEqual([[10], [11], [0]])
    expect(rest).toEqual([[], [], [], [], [12], [13]])
    expect([s.c.cc.cwnd, s.c.cc.ssthresh]).toEqual([5000, 5000])
  })

  it('[rfc5681#3.2] rfc5681: half, and a segment more for each duplicate', () => {
    const s = script('rfc5681', sack)
    expect(course(s)).toEqual([[10], [11], [0], [], [], [], [], [12], [13]])
    expect(s.c.cc.ssthresh).toBe(5000)
  })

  it.each(['prr', 'rate_halving', 'rfc6675', 'rfc5681'] as const)('%s ends at the threshold', (cwnd_reduction) => {
    const s = script(cwnd_reduction, sack)
    course(s)
    // All that was out when it began, and one more: without SACK that is what ends it (rfc6582#4.1).
    s.at(200).inject({ ack: 12_001 }).drain()
    s.at(300).inject({ ack: 13_001 }).drain()
    expect([s.c.recovery.caState, s.c.cc.cwnd, s.c.cc.ssthresh]).toEqual([CaState.Open, 5000, 5000])
  })
})
