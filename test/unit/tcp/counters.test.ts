import { describe, expect, it } from 'vitest'
import { ack, data, established, finWait1 } from '../../support/script.ts'

// What the kernel counts, where nothing else shows.

describe('the counters', () => {
  it('TCPRcvQDrop: where the stack has no memory left, only who has nothing to read gets more', () => {
    const s = established()
    s.memory.isFull = true
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(1001))
    s.inject({ seq: 1001, len: 1000 }).expectSent(ack(1001))
    expect(s.mib.TCPRcvQDrop).toBe(1)
    expect(s.readAll()).toBe(1000)
    s.inject({ seq: 1001, len: 1000 }).drain()
    expect(s.readAll()).toBe(1000)
    expect(s.mib.TCPRcvQDrop).toBe(1)
  })

  it('TCPWantZeroWindowAdv: a window that cannot be taken back stays open', () => {
    const s = established({ sysctl: { tcp_rmem: [4096, 8192, 8192], tcp_moderate_rcvbuf: 0 } })
    // All but a few bytes of the window, in pieces.
    s.burst(...[1, 1001, 2001].map((seq) => ({ seq, len: 1000 })))
    s.drain()
    s.inject({ seq: 3001, len: 1000 })
    const [last] = s.drain().slice(-1)
    expect(last.wnd).toBeGreaterThan(0)
    expect(s.mib.TCPWantZeroWindowAdv).toBeGreaterThan(0)
    expect(s.mib.TCPToZeroWindowAdv).toBe(0)
  })

  it('TCPACKSkippedFinWait2: an orphan does not answer everything that does not fit', () => {
    const s = finWait1().close().inject({ ack: 2 })
    s.drain()
    s.inject({ seq: 500_000, ack: 2 }).expectSent(ack(1)).inject({ seq: 500_000, ack: 2 }).expectSent()
    expect(s.mib).toMatchObject({ TCPACKSkippedFinWait2: 1, TCPACKSkippedSeq: 0 })
  })

  it('TCPRcvCoalesce: small pieces that the application gets as one', () => {
    const s = established()
    s.burst(...[1, 11, 21].map((seq) => ({ seq, len: 10 }))).drain()
    expect(s.c.read(s.nowUs)?.length).toBe(30)
    expect(s.mib.TCPRcvCoalesce).toBe(2)
  })

  it('TCPRetransFail: a retransmission that the path does not take', () => {
    const s = established().write(10).expectSent(data(1, 11))
    s.blocked = true
    s.elapse(1000)
    expect(s.mib.TCPRetransFail).toBeGreaterThan(0)
    s.blocked = false
    s.pull().expectSent(data(1, 11))
    expect(s.mib.RetransSegs).toBe(1)
  })

  it('DelayedACKLost: what was acknowledged comes once more', () => {
    const s = established()
    s.inject({ seq: 1, len: 1000 }).drain()
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(1001))
    expect(s.mib.DelayedACKLost).toBe(1)
  })

  it('linux: segments longer than what we announced say nothing of the size of others', () => {
    const s = established({ connection: { mss: 700 } })
    s.inject({ seq: 1, len: 1000 }).drain()
    expect(s.c.receiver.rcvMss).toBe(700)
  })
})
