import { describe, expect, it } from 'vitest'
import { MtuSearch, type MtuSearchOptions } from '../../../src/tunnel/mtu-search.ts'

const SECOND = 1_000_000
const RAISE = 600 * SECOND

/** A path that takes packets up to `mtu`, on a link that takes them up to `link`; what it was asked for, and when. */
class Path {
  readonly search: MtuSearch
  readonly asked: number[] = []
  mtu: number
  link: number
  nowUs = 0

  constructor(mtu: number, options: Partial<MtuSearchOptions> & { link?: number } = {}) {
    const { least = 576, most = 1500, link = Infinity } = options
    this.search = new MtuSearch({ least, most })
    this.mtu = mtu
    this.link = link
  }

  /** Lets the search run until it rests. Answers come 50 ms later. */
  run(): this {
    for (let i = 0; i < 200; i++) {
      this.nowUs = Math.max(this.nowUs, this.search.deadline)
      const size = this.search.next(this.nowUs, RAISE)
      if (size === 0) return this
      this.asked.push(size)
      if (size > this.link) this.search.refused(size)
      else if (size <= this.mtu) {
        this.nowUs += 50_000
        this.search.answered(size)
      }
    }
    throw new Error('it never rests')
  }
}

describe('MtuSearch', () => {
  it('[rfc8899#5.3] asks for what nearly all links have first: one round trip', () => {
    const path = new Path(1500).run()
    expect(path.asked).toEqual([1500])
    expect(path.search.size).toBe(1500)
    expect(path.nowUs).toBe(50_000)
  })

  it('then for the most that the link takes', () => {
    expect(new Path(9000, { most: 9000 }).run().asked).toEqual([1500, 9000])
    expect(new Path(9100, { most: 9100 }).run().search.size).toBe(9100)
  })

  it.each([
    [1500, 9000, 1500],
    [4400, 9000, 4352],
    [1492, 1500, 1492],
    [1491, 1500, 1480],
    [1420, 1500, 1420],
    [1400, 1500, 1400],
    [1399, 1500, 1340],
    [1300, 1500, 1280],
    [1280, 1280, 1280],
    [1279, 1500, 1006],
    [600, 1500, 576],
    [40_000, 65_535, 32_000],
    [65_535, 65_535, 65_535],
  ])('a path of %i bytes behind a link of %i: %i', (mtu, most, found) => {
    const path = new Path(mtu, { most }).run()
    expect(path.search.size).toBe(found)
    // In half a minute, of which all but the answers is waiting for none.
    expect(path.nowUs).toBeLessThan(30 * SECOND)
  })

  it('[rfc8899#5.1.2] three probes, a second apart, make a size too large', () => {
    const path = new Path(1400)
    const at: number[] = []
    for (let us = 0; us < 3.5 * SECOND; us += 1000) if (path.search.next(us, RAISE) === 1500) at.push(us)
    expect(at).toEqual([0, SECOND, 2 * SECOND])
    expect(path.search.size).toBe(1280)
  })

  it('an answer that comes late still counts, until its size was given up', () => {
    const { search } = new Path(0)
    expect(search.next(0, RAISE)).toBe(1500)
    expect(search.next(SECOND, RAISE)).toBe(1500)
    expect(search.answered(1500)).toBe(true)
    expect(search.size).toBe(1500)
    const other = new Path(0).search
    for (let i = 0; i < 4; i++) other.next(i * SECOND, RAISE)
    expect(other.answered(1500)).toBe(false)
    expect(other.size).toBe(1280)
  })

  it('[rfc8899#5.2] begins with the base, and falls to what every path takes where not even that comes through', () => {
    const path = new Path(600)
    expect(path.search.size).toBe(1280)
    path.run()
    expect(path.search.size).toBe(576)
    // rfc8200#5: over IPv6 there is nothing below.
    const six = new Path(600, { least: 1280 }).run()
    expect(six.search.size).toBe(1280)
  })

  it('[rfc8899#5.1.1] looks for more again after the interval, and not without one', () => {
    const path = new Path(1400).run()
    expect(path.search.deadline).toBe(path.nowUs + RAISE)
    path.mtu = 1500
    path.asked.length = 0
    path.run()
    expect(path.asked).toEqual([1500])
    expect(path.search.size).toBe(1500)
    const { search } = new Path(1500)
    search.next(0, 0)
    search.answered(1500)
    expect(search.next(0, 0)).toBe(0)
    expect(search.deadline).toBe(Infinity)
  })

  it('a peer that was away is not taken for a narrow path for long', () => {
    for (const least of [576, 1280]) {
      const path = new Path(0, { least }).run()
      expect(path.search.size).toBe(least)
      expect(path.search.deadline).toBe(path.nowUs + 10 * SECOND)
      path.run()
      expect(path.search.deadline).toBe(path.nowUs + 20 * SECOND)
      path.mtu = 1500
      path.run()
      expect(path.search.size).toBe(1500)
      expect(path.search.deadline).toBe(path.nowUs + RAISE)
    }
  })

  it('what the system refuses costs no time', () => {
    const path = new Path(1500, { most: 9000, link: 1500 }).run()
    expect(path.asked).toEqual([1500, 9000, 4352, 2002])
    expect(path.search.size).toBe(1500)
    expect(path.nowUs).toBe(50_000)
  })

  it('a link that takes less than before: at once no more than that, then searched for', () => {
    const path = new Path(1500).run()
    path.link = 1400
    path.mtu = 1400
    expect(path.search.refused(1500)).toBe(true)
    expect(path.search.size).toBe(1280)
    expect(path.run().search.size).toBe(1400)
  })

  it('[rfc8899#4.6] what the way tells counts for the probe that is out, and without one makes it look again', () => {
    const { search } = new Path(0)
    expect(search.next(0, RAISE)).toBe(1500)
    expect(search.told()).toBe(false)
    expect(search.next(1, RAISE)).toBe(1440)
    expect(search.answered(1440)).toBe(true)
    expect(search.told()).toBe(true)
    expect(search.size).toBe(1280)
    expect(search.next(2, RAISE)).toBe(1500)
  })

  it('[rfc8899#4.3] a black hole: from the base again', () => {
    const path = new Path(1500).run()
    path.mtu = 1400
    expect(path.search.blackHole()).toBe(true)
    expect(path.search.size).toBe(1280)
    expect(path.run().search.size).toBe(1400)
    path.mtu = 1000
    path.search.blackHole()
    expect(path.run().search.size).toBe(576)
    // Nothing is left to fall to.
    expect(path.search.blackHole()).toBe(false)
  })
})
