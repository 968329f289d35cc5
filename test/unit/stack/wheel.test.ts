import { describe, expect, it } from 'vitest'
import { Wheel, type WheelItem } from '../../../src/stack/wheel.ts'

const MS = 1000
const SECOND = 1_000_000

function item(deadline: number, name = ''): WheelItem & { deadline: number; name: string } {
  return { deadline, name, wheelPrev: null, wheelNext: null, wheelSlot: -1, wheelAt: 0 }
}
type Item = ReturnType<typeof item>

/** Follows the wheel's wake-ups to `until`; what fired when, in milliseconds, and how many wake-ups it took. */
function run(wheel: Wheel<Item>, until: number) {
  const fired: [name: string, ms: number][] = []
  let wakeUps = 0
  for (let next = wheel.nextWakeUs(); next <= until; next = wheel.nextWakeUs()) {
    wakeUps++
    wheel.advance(next, (due) => fired.push([due.name, next / MS]))
  }
  return { fired, wakeUps }
}

describe('Wheel', () => {
  it('has nothing to do when empty', () => {
    const wheel = new Wheel()
    expect(wheel.nextWakeUs()).toBe(Infinity)
    expect(wheel.size).toBe(0)
    wheel.advance(5 * SECOND, () => expect.unreachable())
  })

  it('wakes exactly at a near deadline, rounded up to a millisecond and never down', () => {
    const wheel = new Wheel<Item>()
    wheel.schedule(item(40 * MS, 'a'))
    expect(wheel.nextWakeUs()).toBe(40 * MS)
    wheel.schedule(item(12_001, 'b'))
    expect(wheel.nextWakeUs()).toBe(13 * MS)
    wheel.advance(12_999, () => expect.unreachable())
    expect(run(wheel, SECOND).fired).toEqual([
      ['b', 13],
      ['a', 40],
    ])
  })

  it('looks at a keepalive of two hours three times, not every second', () => {
    const wheel = new Wheel<Item>(123_456)
    wheel.schedule(item(7200 * SECOND + 777 * MS, 'keepalive'))
    const { fired, wakeUps } = run(wheel, Number.MAX_VALUE)
    expect(fired).toEqual([['keepalive', 7_200_777]])
    expect(wakeUps).toBe(3)
  })

  it('leaves a deadline that moved later alone until its old slot comes', () => {
    const wheel = new Wheel<Item>()
    const rto = item(200 * MS, 'rto')
    wheel.schedule(rto)
    for (let ms = 1; ms <= 150; ms++) {
      rto.deadline = (200 + ms) * MS
      wheel.schedule(rto)
      expect(wheel.nextWakeUs()).toBe(200 * MS)
    }
    wheel.advance(200 * MS, () => expect.unreachable())
    expect(run(wheel, SECOND).fired).toEqual([['rto', 350]])
  })

  it('forgets a deadline that became Infinity when its slot comes', () => {
    const wheel = new Wheel<Item>()
    const one = item(10 * MS)
    wheel.schedule(one)
    one.deadline = Infinity
    wheel.schedule(one)
    expect(wheel.size).toBe(1)
    wheel.advance(10 * MS, () => expect.unreachable())
    expect(wheel.size).toBe(0)
    expect(one.wheelSlot).toBe(-1)
  })

  it('moves one that became earlier', () => {
    const wheel = new Wheel<Item>()
    const one = item(7200 * SECOND, 'one')
    wheel.schedule(one)
    one.deadline = 30 * MS
    wheel.schedule(one)
    expect(wheel.size).toBe(1)
    expect(run(wheel, SECOND)).toEqual({ fired: [['one', 30]], wakeUps: 1 })
  })

  it('fires what is already due within a millisecond', () => {
    const wheel = new Wheel<Item>()
    wheel.advance(50 * MS, () => expect.unreachable())
    wheel.schedule(item(-1, 'past'))
    wheel.schedule(item(50 * MS, 'now'))
    expect(wheel.nextWakeUs()).toBe(51 * MS)
    expect(run(wheel, SECOND).fired).toHaveLength(2)
  })

  it('reports in order of time after a long sleep', () => {
    const wheel = new Wheel<Item>()
    for (const s of [9000, 3, 0.2, 300, 70, 0.05]) wheel.schedule(item(s * SECOND, String(s)))
    const order: string[] = []
    wheel.advance(10_000 * SECOND, (due) => order.push(due.name))
    expect(order).toEqual(['0.05', '0.2', '3', '70', '300', '9000'])
  })

  it('lets the callback schedule, re-schedule and remove', () => {
    const wheel = new Wheel<Item>()
    const doomed = item(10 * MS, 'doomed')
    const repeating = item(10 * MS, 'repeating')
    const added = item(500 * MS, 'added')
    // Each sees the other in its slot: whichever comes first removes `doomed`.
    const killer = item(9 * MS, 'killer')
    for (const one of [doomed, repeating, killer]) wheel.schedule(one)
    const fired: string[] = []
    wheel.advance(30 * MS, (due) => {
      fired.push(due.name)
      if (due === killer) wheel.remove(doomed)
      if (due === repeating && fired.length < 5) {
        repeating.deadline += 5 * MS
        wheel.schedule(repeating)
        wheel.schedule(added)
      }
    })
    expect(fired).toEqual(['killer', 'repeating', 'repeating', 'repeating', 'repeating'])
    expect(wheel.size).toBe(1)
    expect(wheel.nextWakeUs()).toBeLessThanOrEqual(500 * MS)
  })

  it('does not spin on one that stays due', () => {
    const wheel = new Wheel<Item>()
    const stuck = item(1 * MS)
    wheel.schedule(stuck)
    let calls = 0
    wheel.advance(3 * MS, (due) => {
      calls++
      wheel.schedule(due)
    })
    expect(calls).toBe(3)
  })

  it('goes on where a callback threw', () => {
    const wheel = new Wheel<Item>()
    wheel.schedule(item(5 * MS, 'a'))
    wheel.schedule(item(5 * MS, 'b'))
    wheel.schedule(item(400 * MS, 'c'))
    const fired: string[] = []
    expect(() =>
      wheel.advance(5 * MS, (due) => {
        fired.push(due.name)
        throw new Error('from the callback')
      }),
    ).toThrow('from the callback')
    expect(wheel.nextWakeUs()).toBe(5 * MS)
    wheel.advance(SECOND, (due) => fired.push(due.name))
    expect([...fired].sort()).toEqual(['a', 'b', 'c'])
  })

  it('keeps time beyond 2^32 milliseconds, and deadlines beyond its horizon', () => {
    const start = (2 ** 32 - 5) * MS
    const wheel = new Wheel<Item>(start)
    wheel.schedule(item(start + 3 * MS, 'before'))
    wheel.schedule(item(start + 20 * MS, 'after'))
    wheel.schedule(item(start + 2 ** 33 * MS, 'far'))
    const { fired, wakeUps } = run(wheel, Number.MAX_VALUE)
    expect(fired).toEqual([
      ['before', 2 ** 32 - 2],
      ['after', 2 ** 32 + 15],
      ['far', 2 ** 32 - 5 + 2 ** 33],
    ])
    expect(wakeUps).toBeLessThan(20)
  })

  it('takes the first turn at any time, and time that stands still', () => {
    const wheel = new Wheel<Item>()
    wheel.schedule(item(10 * MS, 'a'))
    wheel.advance(5 * MS, () => expect.unreachable())
    wheel.advance(5 * MS, () => expect.unreachable())
    wheel.advance(4 * MS, () => expect.unreachable())
    expect(run(wheel, SECOND).fired).toEqual([['a', 10]])
  })
})
