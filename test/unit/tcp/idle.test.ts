import { describe, expect, it } from 'vitest'
import { established } from '../../support/script.ts'

describe('an idle connection', () => {
  it('has no controller before it has something to send, and then one that begins with the initial window', () => {
    const s = established()
    s.elapse(10_000)
    expect([s.c.hasController, s.c.ssthresh]).toEqual([false, Number.POSITIVE_INFINITY])
    s.c.write(Buffer.from('at last'))
    expect([s.c.hasController, s.c.cc.cwnd]).toEqual([true, s.c.initialWindow])
  })

  it('has none after data that it only received', () => {
    const s = established().inject({ len: 100 }).elapse(1000)
    expect([s.c.unread, s.c.hasController]).toEqual([100, false])
  })
})
