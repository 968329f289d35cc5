import { describe, expect, it } from 'vitest'
import { newRateSample, type RateSample, Reno } from '../../../src/congestion/index.ts'

const MSS = 1000

const reno = (segments = 10, options: Record<string, unknown> = {}): Reno =>
  new Reno({ mss: MSS, now: 0, initialWindow: segments * MSS, random: () => 0.5, options })

const acked = (bytes: number, more: Partial<RateSample> = {}): RateSample => ({
  ...newRateSample(),
  acked: bytes,
  delivered: bytes,
  cwndLimited: true,
  mss: MSS,
  ...more,
})

/** A window's worth of ACKs, `each` bytes apiece. */
function round(cc: Reno, each = MSS): void {
  for (let left = cc.cwnd; left >= each; left -= each) cc.onAck(acked(each))
}

describe('Reno', () => {
  it('[rfc5681#3.1] doubles its window in a round trip of slow start', () => {
    const cc = reno(10)
    round(cc)
    expect(cc.cwnd).toBe(20 * MSS)
    round(cc, 2 * MSS)
    expect(cc.cwnd).toBe(40 * MSS)
    expect(cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
  })

  it('[rfc5681#3.1] adds a segment in a round trip of congestion avoidance', () => {
    const cc = reno(10)
    cc.ssthresh = 10 * MSS
    for (let segments = 10; segments < 15; segments++) {
      expect(cc.cwnd).toBe(segments * MSS)
      round(cc)
    }
  })

  it('[rfc3465#2.1] counts bytes: one ACK for many segments is worth as much as one for each', () => {
    const [one, many] = [reno(10), reno(10)]
    for (const cc of [one, many]) cc.ssthresh = 10 * MSS
    one.onAck(acked(10 * MSS))
    for (let i = 0; i < 100; i++) many.onAck(acked(100))
    expect([one.cwnd, many.cwnd]).toEqual([11 * MSS, 11 * MSS])
  })

  it('[rfc5681#3.1] goes from slow start into avoidance where the threshold lies', () => {
    const cc = reno(10)
    cc.ssthresh = 12 * MSS
    cc.onAck(acked(10 * MSS))
    // Two segments to the threshold; the other eight count towards the thirteenth.
    expect(cc.cwnd).toBe(12 * MSS)
    cc.onAck(acked(4 * MSS))
    expect(cc.cwnd).toBe(13 * MSS)
  })

  it('[rfc5681#3.2] halves its threshold when an episode begins; the window is brought down by the sender', () => {
    const cc = reno(20)
    cc.onEnterRecovery(acked(0))
    expect([cc.ssthresh, cc.cwnd]).toEqual([10 * MSS, 20 * MSS])
    cc.onAck(acked(MSS, { inRecovery: true }))
    expect(cc.cwnd).toBe(20 * MSS)
  })

  it('[rfc5681#3.1] never to less than two segments', () => {
    const cc = reno(3)
    cc.onEnterRecovery(acked(0))
    expect(cc.ssthresh).toBe(2 * MSS)
    const small = reno(1)
    small.onTimeout(0, MSS, false)
    expect(small.ssthresh).toBe(2 * MSS)
  })

  it('[rfc5681#3.1] falls to one segment on a timeout, and the threshold once for the same data', () => {
    const cc = reno(20)
    cc.onTimeout(0, 20 * MSS, false)
    expect([cc.cwnd, cc.ssthresh]).toEqual([MSS, 10 * MSS])
    cc.onTimeout(0, MSS, true)
    expect([cc.cwnd, cc.ssthresh]).toEqual([MSS, 10 * MSS])
    cc.onTimeout(0, MSS, false)
    expect(cc.ssthresh).toBe(2 * MSS)
  })

  it('[rfc2861#3] a window that is not used does not grow', () => {
    const cc = reno(10)
    cc.onAck(acked(10 * MSS, { cwndLimited: false }))
    expect(cc.cwnd).toBe(10 * MSS)
  })

  it('linux: what was selectively acknowledged before is not counted again', () => {
    const cc = reno(1)
    cc.ssthresh = 100 * MSS
    cc.onAck(acked(10 * MSS, { delivered: MSS }))
    expect(cc.cwnd).toBe(2 * MSS)
    // Nor what moves nothing.
    cc.onAck(acked(0, { delivered: 5 * MSS }))
    expect(cc.cwnd).toBe(2 * MSS)
  })

  it('keeps window and threshold in segments when their size changes', () => {
    const cc = reno(20)
    cc.onEnterRecovery(acked(0))
    cc.onMss(1400)
    expect([cc.cwnd, cc.ssthresh]).toEqual([20 * 1400, 10 * 1400])
    cc.cwnd = 14 * 1400
    cc.onAck(acked(14 * 1400))
    expect(cc.cwnd).toBe(15 * 1400)
  })

  it('linux: keeps the bytes where a probe has found that the path takes more, and grows by the new size', () => {
    const cc = reno(20)
    cc.onEnterRecovery(acked(0))
    cc.onMss(2 * MSS, true)
    expect([cc.cwnd, cc.ssthresh]).toEqual([20 * MSS, 10 * MSS])
    cc.onAck(acked(20 * MSS))
    expect(cc.cwnd).toBe(22 * MSS)
  })

  it('[rfc3465#2.2] abcLimit bounds what one ACK may add in slow start', () => {
    const cc = reno(10, { abcLimit: 2 })
    cc.onAck(acked(10 * MSS))
    expect(cc.cwnd).toBe(12 * MSS)
    expect(() => reno(10, { abcLimit: 0 })).toThrow(TypeError)
  })

  it('[rfc3465#2.3] to one after a timeout, for an ACK may then cover what had arrived long before', () => {
    const cc = reno(10, { abcLimit: 2 })
    cc.onTimeout(0, 10 * MSS, false)
    cc.onAck(acked(3 * MSS))
    expect(cc.cwnd).toBe(2 * MSS)
    // Without a limit there is none here either, as in Linux.
    const free = reno(10)
    free.onTimeout(0, 10 * MSS, false)
    free.onAck(acked(3 * MSS))
    expect(free.cwnd).toBe(4 * MSS)
  })

  it('[rfc8511#3.1] a mark costs less than a loss, unless abe is off', () => {
    const [gentle, plain] = [reno(20), reno(20, { abe: false })]
    gentle.onEcn(0, MSS)
    plain.onEcn(0, MSS)
    expect([gentle.ssthresh, plain.ssthresh]).toEqual([16 * MSS, 10 * MSS])
  })
})
