import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BusyPoll } from '../../../src/stack/busy-poll.ts'

// linux: net.core.busy_poll; that it keeps books is ours.

const LIMIT = 100
const CREDIT = 20_000
/** What a sleeper waits where that takes long. */
const SLEEP = 250

/** Waits one after the other, as a clock has them, 10 µs of work between two. */
class Waits {
  readonly poll = new BusyPoll()
  now = 0
  readonly #limit: number

  constructor(limit = LIMIT) {
    this.#limit = limit
  }

  /** Something comes after `wait` µs, or `slept` where it is slept. How long it was looked for: all the while, until the limit, or not at all. */
  next(wait: number, slept = wait): number {
    this.now += 10
    const begin = this.now
    const until = this.poll.begin(begin, this.#limit)
    if (until > 0 && begin + wait > until) {
      this.poll.missed(until)
      expect(this.poll.isWaiting).toBe(false)
    }
    this.now = begin + (until > 0 ? wait : slept)
    this.poll.arrived(this.now)
    return until === 0 ? 0 : Math.min(this.now, until) - begin
  }

  all(count: number, wait: number, slept = wait): number[] {
    return Array.from({ length: count }, () => this.next(wait, slept))
  }
}

const each = (count: number, value: number): number[] => new Array(count).fill(value)

describe('polling instead of sleeping', () => {
  it('busy_poll is for those that are answered soon: from the fifth time on', () => {
    const waits = new Waits()
    expect(waits.all(7, 3 * LIMIT)).toEqual([0, 0, 0, 0, LIMIT, 0, 0])
    expect(new Waits().all(100, 3 * LIMIT + 1)).toEqual(each(100, 0))
    const far = new Waits()
    far.all(3, 10)
    far.next(1000)
    expect(far.all(5, 10)).toEqual([0, 0, 0, 0, 10])
  })

  it('goes on for as long as it saves more waiting than it costs processor time, of which a µs is worth a half', () => {
    expect(new Waits().all(10_004, 90, 136)).toEqual([...each(4, 0), ...each(10_000, 90)])
    const short = new Waits().all(10_004, 90, 125)
    const times = short.filter((looked) => looked > 0).length
    expect(times).toBeGreaterThan(CREDIT / 10)
    expect(times).toBeLessThan(CREDIT / 5)
  })

  it('ends where waking up takes no time, and then comes back for a hundredth of it', () => {
    const waits = new Waits()
    const all = waits.all(100_000, 20)
    const looked = all.reduce((sum, one) => sum + one)
    expect(looked).toBeGreaterThan(CREDIT)
    expect(looked).toBeLessThan(2 * (CREDIT + waits.now * 0.01 + LIMIT))
    expect(all.slice(-20_000)).toContain(20)
  })

  it('ends with the conversation, and forgives an answer that is late now and then', () => {
    const waits = new Waits()
    waits.all(30, 10, SLEEP)
    expect([waits.next(5000), ...waits.all(6, 10)]).toEqual([LIMIT, ...each(6, 10)])
    expect([waits.next(5000), waits.next(5000), waits.next(5000), waits.next(5000)]).toEqual([LIMIT, LIMIT, LIMIT, 0])
  })

  it('stops when nobody runs who could answer, and forgives that too', () => {
    const waits = new Waits()
    waits.all(30, 10, SLEEP)
    const { poll } = waits
    // The process was put aside while it looked.
    const until = poll.begin(waits.now, LIMIT)
    expect(until).toBe(waits.now + LIMIT)
    waits.now += 3_600_000_000
    poll.arrived(waits.now)
    expect(waits.all(20, 10, SLEEP)).toEqual(each(20, 0))
    waits.now += 3_000_000
    waits.all(4, 10, SLEEP)
    expect(waits.all(2, 10)).toEqual([10, 10])
  })

  it('pays for what it looked for in vain because there was something else to do', () => {
    const waits = new Waits()
    waits.all(30, 10, SLEEP)
    const { poll } = waits
    let times = 0
    for (; poll.begin(waits.now, LIMIT) > 0; times++) waits.now += LIMIT - 10
    expect(times).toBeGreaterThan(CREDIT / LIMIT)
    expect(times).toBeLessThan((CREDIT / LIMIT) * 1.2)
  })

  it('neither gains nor loses where the loop had work', () => {
    const waits = new Waits()
    waits.all(30, 10, SLEEP)
    for (let i = 0; i < 10_000; i++) {
      expect(waits.poll.begin(waits.now, LIMIT)).toBe(waits.now + LIMIT)
      waits.poll.forget()
      waits.now += LIMIT
      waits.poll.arrived(waits.now)
    }
  })

  it('busy_poll=0 turns it off, at once and until it is turned on', () => {
    expect(new Waits(0).all(100, 1)).toEqual(each(100, 0))
    const { poll, ...on } = new Waits()
    expect(poll.begin(on.now, 0)).toBe(0)
    expect(poll.isWaiting).toBe(false)
  })

  it('that finds nothing costs no more than its credit and a hundredth of all time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: LIMIT + 1, max: 5 * LIMIT }), { minLength: 1, maxLength: 50 }), (some) => {
        const waits = new Waits()
        let looked = 0
        for (let i = 0; i < 2000; i++) looked += waits.next(some[i % some.length] as number)
        expect(looked).toBeLessThanOrEqual(CREDIT + waits.now * 0.01 + LIMIT)
      }),
      { seed: 1, numRuns: 200 },
    )
  })
})
