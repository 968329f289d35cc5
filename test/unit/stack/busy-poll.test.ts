import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BusyPoll } from '../../../src/stack/busy-poll.ts'

// linux: net.core.busy_poll; that it keeps books is ours.

const LIMIT = 100
const CREDIT = 20_000

/** Waits one after the other, as a clock has them, 10 µs of work between two. */
class Waits {
  readonly poll = new BusyPoll()
  now = 0
  readonly #limit: number

  constructor(limit = LIMIT) {
    this.#limit = limit
  }

  /** Something comes after `wait` µs. How long it was looked for: all the while, until the limit, or not at all. */
  next(wait: number): number {
    this.now += 10
    const begin = this.now
    const until = this.poll.begin(begin, this.#limit)
    if (until > 0 && begin + wait > until) {
      this.poll.missed(until)
      expect(this.poll.isWaiting).toBe(false)
    }
    this.now = begin + wait
    this.poll.arrived(this.now)
    return until === 0 ? 0 : Math.min(this.now, until) - begin
  }

  all(count: number, wait: number): number[] {
    return Array.from({ length: count }, () => this.next(wait))
  }
}

describe('polling instead of sleeping', () => {
  it('busy_poll is for those that are answered soon: from the fifth time on', () => {
    const waits = new Waits()
    expect(waits.all(7, 3 * LIMIT)).toEqual([0, 0, 0, 0, LIMIT, 0, 0])
    expect(new Waits().all(100, 3 * LIMIT + 1)).toEqual(new Array(100).fill(0))
    const far = new Waits()
    far.all(3, 10)
    far.next(1000)
    expect(far.all(5, 10)).toEqual([0, 0, 0, 0, 10])
  })

  it('goes on for as long as what comes is worth it', () => {
    const waits = new Waits()
    waits.all(4, 10)
    expect(waits.all(10_000, 90)).toEqual(new Array(10_000).fill(90))
  })

  it('ends with the conversation, and forgives an answer that is late now and then', () => {
    const waits = new Waits()
    waits.all(30, 10)
    expect([waits.next(5000), ...waits.all(6, 10)]).toEqual([LIMIT, 10, 10, 10, 10, 10, 10])
    expect([waits.next(5000), waits.next(5000), waits.next(5000), waits.next(5000)]).toEqual([LIMIT, LIMIT, LIMIT, 0])
  })

  it('stops when nobody runs who could answer: what came too late was lost altogether', () => {
    const waits = new Waits()
    waits.all(30, 10)
    const { poll } = waits
    // The process was put aside while it looked.
    const until = poll.begin(waits.now, LIMIT)
    expect(until).toBe(waits.now + LIMIT)
    waits.now += CREDIT + 10 * LIMIT
    poll.arrived(waits.now)
    expect(waits.all(20, 10)).toEqual(new Array(20).fill(0))
    // A hundredth of the time is its own.
    waits.now += (CREDIT / 2) * 100
    waits.all(4, 10)
    expect(waits.all(2, 10)).toEqual([10, 10])
  })

  it('busy_poll=0 turns it off, at once and until it is turned on', () => {
    const waits = new Waits(0)
    expect(waits.all(100, 1)).toEqual(new Array(100).fill(0))
    const on = new Waits()
    on.all(30, 10)
    expect(on.poll.begin(on.now, 0)).toBe(0)
    expect(on.poll.isWaiting).toBe(false)
  })

  it('loses no more than its credit and a hundredth of all time, whatever comes', () => {
    const wait = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 5000 }), fc.constant(95))
    fc.assert(
      fc.property(fc.array(fc.tuple(wait, fc.integer({ min: 1, max: 200 })), { maxLength: 100 }), (runs) => {
        const waits = new Waits()
        let lost = 0
        for (const [each, times] of runs) {
          for (let i = 0; i < times; i++) {
            const looked = waits.next(each)
            // Found, it spared a sleep.
            lost += looked > 0 && looked === each ? looked - LIMIT : looked
          }
        }
        expect(lost).toBeLessThanOrEqual(CREDIT + waits.now * 0.01 + LIMIT)
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})
