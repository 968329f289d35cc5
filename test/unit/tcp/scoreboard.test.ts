import { describe, expect, it } from 'vitest'
import { Scoreboard } from '../../../src/tcp/scoreboard.ts'
import { Sent } from '../../../src/tcp/sent-segment.ts'
import { seqAdd, toSeq } from '../../../src/wire/index.ts'

const START = toSeq(-1500)

/** So many segments of 100 bytes, sent a microsecond apart. */
function board(count: number, { reno = false } = {}): Scoreboard {
  const made = new Scoreboard()
  made.reno = reno
  for (let i = 0; i < count; i++) made.push(seqAdd(START, i * 100), seqAdd(START, (i + 1) * 100), 0, i)
  return made
}

describe('Scoreboard', () => {
  it('counts what is out', () => {
    const b = board(3)
    expect(b).toMatchObject({ packetsOut: 300, packetsOutSegs: 3, inFlight: 300, inFlightSegs: 3, isEmpty: false })
    b.pop()
    expect(b).toMatchObject({ packetsOut: 200, head: 1, inFlightSegs: 2 })
    expect(b.recount()).toBeNull()
  })

  it('[rfc6675#4] pipe: neither what arrived nor what is lost, but what was sent again', () => {
    const b = board(5)
    b.markSacked(1)
    b.markSacked(2)
    b.markLost(0)
    expect(b).toMatchObject({ sackedOut: 200, lostOut: 100, inFlight: 200 })
    b.markRetransmitted(0, 50)
    expect(b).toMatchObject({ retransOut: 100, inFlight: 300 })
    b.clearRetransmitted(0)
    expect(b).toMatchObject({ retransOut: 0, inFlight: 200 })
    expect(b.recount()).toBeNull()
  })

  it('what arrived is no longer lost or under way again', () => {
    const b = board(3)
    b.markLost(1)
    b.markRetransmitted(1, 9)
    expect(b.markSacked(1)).toBe(true)
    expect(b.at(1).state).toBe(Sent.Sacked | Sent.EverRetrans)
    expect(b).toMatchObject({ lostOut: 0, retransOut: 0, sackedOut: 100, inFlight: 200 })
    expect(b.markSacked(1)).toBe(false)
    expect(b.markLost(1)).toBe(false)
  })

  it('finds the next that is lost and not under way again', () => {
    const b = board(6)
    expect(b.nextLost()).toBe(-1)
    b.markLost(2)
    b.markLost(4)
    expect(b.nextLost()).toBe(2)
    b.markRetransmitted(2, 9)
    expect(b.nextLost()).toBe(4)
    b.markRetransmitted(4, 9)
    expect(b.nextLost()).toBe(-1)
    b.markLost(1)
    expect(b.nextLost()).toBe(1)
    b.clearRetransmitted(2)
    b.markRetransmitted(1, 10)
    expect(b.nextLost()).toBe(2)
  })

  it('finds the segment at a sequence number', () => {
    const b = board(5)
    b.pop()
    expect([0, 99, 100, 150, 400, 499, 500, 1000].map((n) => b.find(seqAdd(START, n)))).toEqual([
      1, 1, 1, 1, 4, 4, 5, 5,
    ])
  })

  it('loses its head in part', () => {
    const b = board(2)
    b.markLost(0)
    b.trimHead(seqAdd(START, 30))
    expect(b).toMatchObject({ packetsOut: 170, lostOut: 70, lostOutSegs: 1, packetsOutSegs: 2 })
    expect(b.recount()).toBeNull()
  })

  it('cuts a segment in two, which both keep the marks and the times', () => {
    const b = board(3)
    b.markLost(1)
    b.markRetransmitted(1, 77)
    b.split(1, 40)
    expect(b).toMatchObject({ packetsOut: 300, packetsOutSegs: 4, lostOutSegs: 2, retransOutSegs: 2, inFlight: 300 })
    expect([b.at(1).length, b.at(2).length, b.at(3).length]).toEqual([40, 60, 100])
    expect(b.at(2)).toMatchObject({ xmitTs: 77, firstXmitTs: 1, retransmissions: 1 })
    expect(b.recount()).toBeNull()
  })

  it('[rfc6298#5.4] marks all lost but what arrived, [rfc2018#8] and that too if the peer reneged', () => {
    const b = board(4)
    b.markSacked(2)
    b.markLost(0)
    b.markRetransmitted(0, 5)
    b.markAllLost(false)
    expect(b).toMatchObject({ lostOutSegs: 3, sackedOutSegs: 1, retransOutSegs: 0, inFlight: 0 })
    b.markAllLost(true)
    expect(b).toMatchObject({ lostOutSegs: 4, sackedOutSegs: 0, highestSacked: -1 })
    b.clearLost()
    expect(b).toMatchObject({ lostOutSegs: 0, inFlight: 400 })
    expect(b.recount()).toBeNull()
  })

  it('linux: without SACK duplicates count segments that nobody can name, never more than can have arrived', () => {
    const b = board(5, { reno: true })
    expect(b.addRenoSacks(2, 100)).toBe(false)
    expect(b).toMatchObject({ sackedOutSegs: 2, sackedOut: 200, inFlight: 300 })
    b.markLost(0)
    expect(b.addRenoSacks(9, 100)).toBe(true)
    expect(b).toMatchObject({ sackedOutSegs: 4, sackedOut: 400, inFlight: 0 })
    // An ACK of two: one filled the hole, the other had been counted.
    b.pop()
    b.pop()
    b.removeRenoSacks(2, 100)
    expect(b.sackedOutSegs).toBeLessThanOrEqual(2)
    expect(b.inFlight).toBeGreaterThanOrEqual(0)
    b.resetRenoSacks()
    expect(b.sackedOut).toBe(0)
  })

  it('covers what is out, without a gap', () => {
    const b = board(3)
    expect(b.covers(START, seqAdd(START, 300))).toBe(true)
    expect(b.covers(START, seqAdd(START, 299))).toBe(false)
    b.clear()
    expect(b.covers(START, START)).toBe(true)
    expect(b).toMatchObject({ inFlight: 0, packetsOutSegs: 0, isEmpty: true })
  })

  it('gives back the memory of a large flight', () => {
    const b = board(5000)
    while (!b.isEmpty) b.pop()
    b.push(START, seqAdd(START, 1), 0, 0)
    expect(b.recount()).toBeNull()
    expect(b.at(b.head)).toMatchObject({ seq: START, state: 0, retransmissions: 0 })
  })
})
