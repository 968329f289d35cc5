import { describe, expect, it } from 'vitest'
import { VirtualLoop } from '../../../src/testing/sim/virtual-clock.ts'
import { Phase, World } from '../../../src/testing/sim/world.ts'

function makeLog() {
  const world = new World()
  const log: string[] = []
  const note = (what: string) => () => void log.push(`${world.nowUs} ${what}`)
  return { world, log, note }
}

describe('World', () => {
  it('does things in the order of their times, equals in the order in which they were asked for', () => {
    const { world, log, note } = makeLog()
    world.at(30, note('c'))
    world.at(10, note('a'))
    world.at(30, note('d'))
    world.at(20, note('b'))
    expect(world.run()).toBe(true)
    expect(log).toEqual(['10 a', '20 b', '30 c', '30 d'])
    expect(world.nowUs).toBe(30)
  })

  it('goes through an instant by the phases of the loop', () => {
    const { world, log, note } = makeLog()
    for (const name of ['Again', 'Check', 'Late', 'Poll', 'Timers'] as const) {
      world.schedule(5, { fire: note(name) }, Phase[name])
    }
    world.run()
    expect(log).toEqual(['5 Timers', '5 Poll', '5 Late', '5 Check', '5 Again'])
  })

  it('stops at a time, which it then is', () => {
    const { world, log, note } = makeLog()
    world.at(10, note('a'))
    world.at(20, note('b'))
    world.at(21, note('c'))
    expect(world.run(20)).toBe(true)
    expect(log).toEqual(['10 a', '20 b'])
    world.run(20.5)
    world.run(500)
    expect(log.length).toBe(3)
    expect(world.nowUs).toBe(500)
  })

  it('stops when a condition holds, or says that it never did', () => {
    const { world, log, note } = makeLog()
    for (let us = 10; us <= 100; us += 10) world.at(us, note('x'))
    expect(world.run(() => log.length === 3)).toBe(true)
    expect(world.nowUs).toBe(30)
    expect(world.run(() => log.length === 9, 50)).toBe(false)
    expect(world.nowUs).toBe(50)
    expect(world.run(() => log.length === 99)).toBe(false)
    expect(log.length).toBe(10)
  })

  it('treats the past as now', () => {
    const { world, log, note } = makeLog()
    world.at(10, () => world.at(3, note('late')))
    world.run()
    expect(log).toEqual(['10 late'])
  })

  it('runs ticks after the event that asked for them, and those that ticks ask for', () => {
    const { world, log, note } = makeLog()
    world.at(10, () => {
      world.nextTick(() => {
        note('tick')()
        world.nextTick(note('tick of tick'))
      })
      note('event')()
    })
    world.at(10, note('next event'))
    world.run()
    expect(log).toEqual(['10 event', '10 tick', '10 tick of tick', '10 next event'])
  })

  it('runs ticks that were asked for from outside first', () => {
    const { world, log, note } = makeLog()
    world.at(0, note('event'))
    world.nextTick(note('tick'))
    world.run(0)
    expect(log).toEqual(['0 tick', '0 event'])
  })

  it('leaves out what nobody waits for any more, without letting its time pass', () => {
    const { world, log, note } = makeLog()
    world.schedule(50, { fire: note('stale'), isDue: () => false })
    expect(world.nextUs).toBe(Infinity)
    world.run()
    expect(log).toEqual([])
    expect(world.nowUs).toBe(0)
  })

  it('asks for invariants after every event', () => {
    const { world } = makeLog()
    const seen: number[] = []
    world.afterEvent(() => seen.push(world.nowUs))
    world.at(1, () => {})
    world.at(2, () => {})
    world.run()
    expect(seen).toEqual([1, 2])
  })

  it('notices when time stands still', () => {
    const world = new World()
    const task = { fire: () => world.schedule(world.nowUs, task) }
    world.schedule(7, task)
    expect(() => world.run()).toThrow('Virtual time stands still at 7 µs')
  })

  it('lets ticks and promises of Node run between events, if asked to', async () => {
    const { world, log, note } = makeLog()
    world.at(10, () => {
      process.nextTick(note('tick'))
      void Promise.resolve().then(() => world.after(5, note('from a promise')))
    })
    world.at(20, note('b'))
    expect(await world.runAsync(() => log.includes('20 b'))).toBe(true)
    expect(log).toEqual(['10 tick', '15 from a promise', '20 b'])
    expect(await world.runAsync(100)).toBe(true)
    expect(world.nowUs).toBe(100)
  })
})

describe('VirtualClock', () => {
  function makeClock(options = {}) {
    const { world, log } = makeLog()
    const loop = new VirtualLoop(world, options)
    const clock = loop.clock()
    clock.start(
      (us) => log.push(`${us} wake`),
      (us) => log.push(`${us} turn`),
    )
    return { world, loop, clock, log }
  }

  it('wakes once, at the time that was asked for last', () => {
    const { world, clock, log } = makeClock()
    clock.wakeAt(50)
    clock.wakeAt(20)
    clock.wakeAt(70)
    expect(clock.nextWakeUs).toBe(70)
    world.run()
    expect(log).toEqual(['70 wake'])
    expect(world.nowUs).toBe(70)
    expect(clock.nextWakeUs).toBe(Infinity)
  })

  it('wakes at once when asked for the past, but not from within the call', () => {
    const { world, clock, log } = makeClock()
    world.run(100)
    clock.wakeAt(30)
    expect(log).toEqual([])
    world.run()
    expect(log).toEqual(['100 wake'])
  })

  it('does not wake when called off, and no time passes for that', () => {
    const { world, clock, log } = makeClock()
    clock.wakeAt(1_000_000)
    clock.wakeAt(Infinity)
    world.run()
    expect(log).toEqual([])
    expect(world.nowUs).toBe(0)
  })

  it('can be asked from its own callbacks', () => {
    const { world, loop } = makeClock()
    const seen: number[] = []
    const clock = loop.clock()
    clock.start(
      (us) => {
        seen.push(us)
        if (us < 50) clock.wakeAt(us + 20)
      },
      () => {},
    )
    clock.wakeAt(10)
    world.run()
    expect(seen).toEqual([10, 30, 50])
    expect(clock.wakes).toBe(3)
  })

  it('has one turn after all input of an instant', () => {
    const { world, clock, log } = makeClock()
    for (const name of ['a', 'b']) {
      world.at(10, () => {
        log.push(name)
        clock.soon()
        clock.soon()
      })
    }
    world.run()
    expect(log).toEqual(['a', 'b', '10 turn'])
    expect(clock.turns).toBe(1)
  })

  it('has the next turn after another poll when a turn asks for it', () => {
    const world = new World()
    const log: string[] = []
    const clock = new VirtualLoop(world).clock()
    clock.start(
      () => {},
      () => {
        log.push('turn')
        if (log.length === 1) {
          clock.soon()
          world.schedule(world.nowUs, { fire: () => log.push('poll') }, Phase.Poll)
        }
      },
    )
    clock.soon()
    expect(clock.turnDue).toBe(true)
    world.run()
    expect(log).toEqual(['turn', 'poll', 'turn'])
  })

  it('keeps account of what holds the process', () => {
    const { loop, clock } = makeClock()
    expect(loop.held).toBe(false)
    clock.hold(true)
    expect([clock.held, loop.held]).toEqual([true, true])
    clock.hold(false)
    expect(loop.held).toBe(false)
  })

  it('says nothing after stop', () => {
    const { world, clock, log } = makeClock()
    clock.hold(true)
    clock.wakeAt(10)
    clock.soon()
    clock.stop()
    clock.soon()
    clock.wakeAt(20)
    world.run(100)
    expect(log).toEqual([])
    expect([clock.held, clock.stopped]).toEqual([false, true])
  })

  it('has a time of its own', () => {
    const { world, loop } = makeClock()
    const clock = loop.clock(1000)
    const seen: number[] = []
    clock.start(
      (us) => seen.push(us, clock.nowUs()),
      () => {},
    )
    world.run(1500)
    clock.wakeAt(700)
    world.run()
    expect(seen).toEqual([700, 700])
    expect(world.nowUs).toBe(1700)
  })

  it('can be as coarse as a real timer', () => {
    const { world, clock, log } = makeClock({ timerGranularityUs: 1000 })
    clock.wakeAt(1200)
    world.run()
    expect(log).toEqual(['2000 wake'])
  })

  describe('of a stalled loop', () => {
    it('wakes when the stall is over, before sockets are read', () => {
      const { world, loop, clock, log } = makeClock()
      clock.wakeAt(10_000)
      world.at(5000, () => loop.stall(8000))
      world.schedule(13_000, { fire: () => log.push('read') }, Phase.Poll)
      world.run()
      expect(log).toEqual(['13000 wake', 'read'])
    })

    it('lets sockets be read first when it is late by 10 ms', () => {
      const { world, loop, clock, log } = makeClock()
      clock.wakeAt(10_000)
      world.at(5000, () => loop.stall(20_000))
      world.schedule(25_000, { fire: () => log.push('read') }, Phase.Poll)
      world.run()
      expect(log).toEqual(['read', '25000 wake'])
    })

    it('does not wake late if what was read moved the deadline', () => {
      const { world, loop, clock, log } = makeClock()
      clock.wakeAt(10_000)
      world.at(5000, () => loop.stall(20_000))
      world.schedule(25_000, { fire: () => clock.wakeAt(40_000) }, Phase.Poll)
      world.run()
      expect(log).toEqual(['40000 wake'])
    })

    it('has no turn meanwhile', () => {
      const { world, loop, clock, log } = makeClock()
      world.at(10, () => {
        loop.stall(500)
        clock.soon()
      })
      world.run()
      expect(log).toEqual(['510 turn'])
    })
  })
})
