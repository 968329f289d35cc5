import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Wheel, type WheelItem } from '../../src/stack/wheel.ts'

class Item implements WheelItem {
  wheelPrev: WheelItem | null = null
  wheelNext: WheelItem | null = null
  wheelSlot = -1
  wheelAt = 0
  readonly id: number
  deadline: number

  constructor(id: number, deadline: number) {
    this.id = id
    this.deadline = deadline
  }
}

/** Spans from a microsecond to beyond what the wheel can file, in each order of magnitude alike. */
const span = fc.oneof(
  fc.integer({ min: -5000, max: 5000 }),
  fc.integer({ min: 0, max: 300_000 }),
  fc.integer({ min: 0, max: 70_000_000 }),
  fc.integer({ min: 0, max: 20_000_000_000 }),
  fc.integer({ min: 0, max: 6_000_000_000_000 }),
  fc.double({ min: 0, max: 100_000, noNaN: true }),
)

type Step =
  | { do: 'move'; item: number; by: number }
  | { do: 'off'; item: number }
  | { do: 'remove'; item: number }
  | { do: 'pass'; by: number }
  | { do: 'jump' }

const item = fc.integer({ min: 0, max: 11 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('move' as const), item, by: span }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('off' as const), item }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), item }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), by: span.map(Math.abs) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('jump' as const) }) },
)

/** The first whole millisecond at or after `us`: the wheel's resolution. */
const tickOf = (us: number): number => Math.ceil(us / 1000)

describe('the timing wheel against a plain list', () => {
  it('reports what is due, when it is due, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 45), fc.array(step, { minLength: 1, maxLength: 60 }), (begin, steps) => {
        let now = begin
        const wheel = new Wheel<Item>(now)
        const items = Array.from({ length: 12 }, (_, id) => new Item(id, Infinity))
        /** What the wheel was told: id → the tick at which it must fire, at the latest. */
        const model = new Map<number, number>()

        const pass = (to: number) => {
          now = to
          const fired: number[] = []
          let lastTick = -Infinity
          wheel.advance(now, (due) => {
            expect(due.deadline).toBeLessThanOrEqual(now)
            expect(due.wheelSlot).toBe(-1)
            const tick = model.get(due.id) ?? Number.NaN
            expect(tick).toBeGreaterThanOrEqual(lastTick)
            lastTick = tick
            model.delete(due.id)
            fired.push(due.id)
          })
          const missed = [...model].filter(([, tick]) => tick <= Math.floor(now / 1000))
          expect(missed).toEqual([])
        }

        for (const todo of steps) {
          if (todo.do === 'pass') pass(now + todo.by)
          else if (todo.do === 'jump') {
            const next = wheel.nextWakeUs()
            if (next === Infinity) expect(model.size).toBe(0)
            else pass(Math.max(now, next))
          } else {
            const one = items[todo.item]
            if (todo.do === 'remove') {
              wheel.remove(one)
              model.delete(one.id)
              expect(one.wheelSlot).toBe(-1)
            } else if (todo.do === 'off') {
              one.deadline = Infinity
              wheel.schedule(one)
              model.delete(one.id)
            } else {
              const deadline = now + todo.by
              const later = deadline >= one.deadline && one.wheelSlot >= 0
              one.deadline = deadline
              // Later deadlines need not be announced.
              if (!later) wheel.schedule(one)
              model.set(one.id, Math.max(tickOf(deadline), Math.floor(now / 1000) + 1))
            }
          }
          // Never past the earliest deadline, to the millisecond.
          const earliest = Math.min(...model.values())
          expect(wheel.nextWakeUs()).toBeLessThanOrEqual(earliest * 1000)
          expect(wheel.nextWakeUs()).toBeGreaterThan(Math.floor(now / 1000) * 1000)
        }
        // Everything ends by following the wheel's own wake-ups, in few of them.
        let visits = 0
        while (wheel.nextWakeUs() !== Infinity) {
          pass(wheel.nextWakeUs())
          expect(++visits).toBeLessThan(12 * 12)
        }
        expect(model.size).toBe(0)
        expect(wheel.size).toBe(0)
      }),
      { numRuns: 2000 },
    )
  })
})
