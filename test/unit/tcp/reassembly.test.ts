import { describe, expect, it } from 'vitest'
import { Insert, Reassembly } from '../../../src/tcp/reassembly.ts'
import { seqAdd, seqDiff, toSeq } from '../../../src/wire/index.ts'

// Across the wrap of sequence space.
const BASE = toSeq(-500)

const add = (r: Reassembly, from: number, to: number, fill = from): Insert =>
  r.insert(seqAdd(BASE, from), seqAdd(BASE, to), Buffer.alloc(to - from, fill))
const blocks = (r: Reassembly): number[][] =>
  r.blocks.map(({ start, end }) => [seqDiff(start, BASE), seqDiff(end, BASE)])
const take = (r: Reassembly, at: number): Buffer | null => r.take(seqAdd(BASE, at))

describe('Reassembly', () => {
  it('[rfc9293#3.10.7.4 SHLD-31] keeps what comes out of order, and gives it in order', () => {
    const r = new Reassembly()
    expect(add(r, 200, 300)).toBe(Insert.Queued)
    expect(add(r, 100, 200)).toBe(Insert.Queued)
    expect(r).toMatchObject({ length: 200, count: 2, isEmpty: false })
    expect(take(r, 0)).toBeNull()
    expect(take(r, 100)).toEqual(Buffer.alloc(100, 100))
    expect(take(r, 200)).toEqual(Buffer.alloc(100, 200))
    expect(take(r, 300)).toBeNull()
    expect(r).toMatchObject({ length: 0, isEmpty: true })
  })

  it('what came first stays', () => {
    const r = new Reassembly()
    add(r, 100, 200, 1)
    expect(add(r, 120, 180, 2)).toBe(Insert.Duplicate)
    expect(add(r, 50, 250, 3)).toBe(Insert.Queued)
    expect(r.length).toBe(200)
    expect(take(r, 50)).toEqual(Buffer.alloc(50, 3))
    expect(take(r, 100)).toEqual(Buffer.alloc(100, 1))
    expect(take(r, 200)).toEqual(Buffer.alloc(50, 3))
  })

  it('fills several gaps with one piece', () => {
    const r = new Reassembly()
    for (const at of [100, 300, 500]) add(r, at, at + 100, 7)
    expect(add(r, 150, 650, 9)).toBe(Insert.Queued)
    expect(r).toMatchObject({ length: 550, count: 6 })
    expect(blocks(r)).toEqual([[100, 650]])
  })

  it('cuts what was received meanwhile', () => {
    const r = new Reassembly()
    add(r, 100, 200)
    add(r, 300, 400)
    expect(take(r, 150)).toHaveLength(50)
    expect(take(r, 400)).toBeNull()
    expect(r.isEmpty).toBe(true)
  })

  it('[rfc2018#4] tells of its ranges, the one that changed last first', () => {
    const r = new Reassembly()
    add(r, 100, 200)
    add(r, 300, 400)
    expect(blocks(r)).toEqual([
      [300, 400],
      [100, 200],
    ])
    add(r, 200, 250)
    expect(blocks(r)).toEqual([
      [100, 250],
      [300, 400],
    ])
    add(r, 310, 350)
    expect(blocks(r)).toEqual([
      [300, 400],
      [100, 250],
    ])
    add(r, 250, 300)
    expect(blocks(r)).toEqual([[100, 400]])
  })

  it('[rfc2018#4] the first block is all of the range that holds the newest segment, however many ranges there are', () => {
    const r = new Reassembly()
    for (let i = 1; i <= 6; i++) add(r, i * 100, i * 100 + 50)
    // The oldest ranges are no longer among the blocks.
    expect(blocks(r)).toEqual([
      [600, 650],
      [500, 550],
      [400, 450],
      [300, 350],
    ])
    add(r, 150, 160)
    expect(blocks(r)[0]).toEqual([100, 160])
    add(r, 210, 220)
    expect(blocks(r)[0]).toEqual([200, 250])
  })

  it('forgets blocks that the cumulative ACK has passed', () => {
    const r = new Reassembly()
    add(r, 100, 200)
    add(r, 300, 400)
    r.advance(seqAdd(BASE, 150))
    expect(blocks(r)).toEqual([
      [300, 400],
      [150, 200],
    ])
    r.advance(seqAdd(BASE, 200))
    expect(blocks(r)).toEqual([[300, 400]])
  })

  it('ours: has room for so many pieces, however small', () => {
    const r = new Reassembly()
    for (let i = 0; i < 4096; i++) expect(add(r, 2 * i + 2, 2 * i + 3)).toBe(Insert.Queued)
    expect(add(r, 20_000, 20_001)).toBe(Insert.Dropped)
    expect(r).toMatchObject({ count: 4096, length: 4096 })
    // One that fills all the gaps between them is not many.
    expect(add(r, 2, 8194)).toBe(Insert.Dropped)
    expect(r.count).toBeLessThanOrEqual(8192)
    r.clear()
    expect(r).toMatchObject({ count: 0, length: 0, blocks: [] })
  })
})
