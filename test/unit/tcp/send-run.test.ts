import { describe, expect, it } from 'vitest'
import { data, established } from '../../support/script.ts'

// Full segments that leave together are decided about once: what leaves is what would leave one by one.

describe('a run of full segments', () => {
  it('ends where the congestion window does, whose last segment carries PSH', () => {
    const s = established().write(20_000)
    const sent = s.drain()
    expect(sent.map(({ seq }) => seq)).toEqual(Array.from({ length: 10 }, (_, i) => 1 + i * 1000))
    expect(sent.map(({ flags }) => flags)).toEqual([...Array.from({ length: 9 }, () => '.'), 'P.'])
  })

  it('ends where the peer’s window does', () => {
    const s = established({ sndWnd: 4500 }).write(20_000)
    expect(s.drain().map(({ seq }) => seq)).toEqual([1, 1001, 2001, 3001])
  })

  it('ends where the data does', () => {
    const s = established().write(3300)
    s.expectSent(data(1, 1001), data(1001, 2001), data(2001, 3001), data(3001, 3301, { flags: 'P.' }))
  })

  it('goes on where the path took no more', () => {
    const s = established()
    s.room = 4
    s.write(10_000)
    expect(s.drain().map(({ seq }) => seq)).toEqual([1, 1001, 2001, 3001])
    s.room = Number.POSITIVE_INFINITY
    s.pull()
    expect(s.drain().map(({ seq }) => seq)).toEqual([4001, 5001, 6001, 7001, 8001, 9001])
  })
})
