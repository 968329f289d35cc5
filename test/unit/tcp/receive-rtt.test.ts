import { describe, expect, it } from 'vitest'
import { ReceiveWindow } from '../../../src/tcp/window.ts'
import { seqAdd, toSeq } from '../../../src/wire/index.ts'

// The round trip as the receiver sees it: linux: tcp_rcv_rtt_measure, tcp_rcv_space_adjust.

describe('receive autotuning without timestamps', () => {
  it('measures the time in which a window comes, and grows with what the application takes in it', () => {
    const window = new ReceiveWindow(131_072)
    window.shift = 7
    let rcvNxt = toSeq(1)
    window.advertiseUnscaled(rcvNxt)
    let taken = 0
    const before = window.capacity
    // A full window every 20 ms, all of it read at once.
    for (let round = 1; round <= 12; round++) {
      const size = window.current(rcvNxt)
      rcvNxt = seqAdd(rcvNxt, size)
      taken += size
      window.onData(rcvNxt, round * 20_000)
      window.tune(round * 20_000, taken, 1448, 6_291_456)
      window.advertise(rcvNxt, 0, 1448)
    }
    expect(window.rcvRtt).toBe(20_000)
    expect(window.capacity).toBeGreaterThan(4 * before)
  })
})
