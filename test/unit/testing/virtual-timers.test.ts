import timersPromises, { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { World } from '../../../src/testing/sim/world.ts'
import { installTimers, runIn, setAmbient, timersIn, VirtualTimer } from '../../../src/testing/virtual-timers.ts'

const realSetTimeout = globalThis.setTimeout
const realSleep = timersPromises.setTimeout
let remove: (() => void)[] = []
const install = (): void => void remove.push(installTimers())
afterEach(() => {
  for (const one of remove) one()
  remove = []
  setAmbient(null)
})

describe('virtual timers', () => {
  it('fire at their time, once, or until they are cleared', () => {
    const world = new World()
    const log: string[] = []
    const { setTimeout, clearTimeout } = timersIn(world)
    const note = (name: string) => () => void log.push(`${world.nowUs / 1000} ${name}`)
    setTimeout(note('a'), 20)
    const never = setTimeout(note('never'), 10)
    clearTimeout(never)
    const interval = new VirtualTimer(world, note('tick'), 15, true)
    world.at(50_000, () => interval.close())
    world.run(100_000)
    expect(log).toEqual(['15 tick', '20 a', '30 tick', '45 tick'])
  })

  it('begin anew when refreshed, and know ref and unref', () => {
    const world = new World()
    let rang = 0
    const timer = new VirtualTimer(world, () => rang++, 10, false)
    world.at(8000, () => timer.refresh())
    world.run(17_000)
    expect(rang).toBe(0)
    world.run(18_000)
    expect(rang).toBe(1)
    expect([timer.hasRef(), timer.unref().hasRef(), timer.ref().hasRef()]).toEqual([true, false, true])
  })

  it.each([
    [0, 1],
    [-5, 1],
    [Number.NaN, 1],
    [2 ** 31, 1],
    [2.9, 2],
  ])('take a delay of %d ms for %d, as Node does', (given, ms) => {
    const world = new World()
    let atMs = -1
    new VirtualTimer(world, () => (atMs = world.nowUs / 1000), given, false)
    world.run(10_000)
    expect(atMs).toBe(ms)
  })
})

describe('the timers in place', () => {
  it('are of the world that the caller runs in, and real outside', async () => {
    install()
    install()
    const [one, two] = [new World(), new World()]
    const log: string[] = []
    runIn({ world: one }, () => {
      setTimeout((...args: unknown[]) => void log.push(`one ${args}`), 5, 'x', 'y')
      // What is begun later, from within, is of the same world.
      queueMicrotask(() => setTimeout(() => void log.push('one later'), 7))
    })
    runIn({ world: two }, () => clearTimeout(setTimeout(() => void log.push('two'), 5)))
    const outside = setTimeout(() => {}, 1_000_000)
    expect(outside).not.toBeInstanceOf(VirtualTimer)
    clearTimeout(outside)
    await Promise.resolve()
    one.run()
    two.run()
    expect(log).toEqual(['one x,y', 'one later'])
  })

  it('cover promises, with their values and their signals', async () => {
    install()
    const world = new World()
    const abort = new AbortController()
    const waiting = runIn({ world }, () => [
      sleep(1000, 'imported'),
      promisify(setTimeout)(2000, 'promisified'),
      sleep(3000, 'never', { signal: abort.signal }).catch((error: Error) => error.name),
    ])
    abort.abort()
    world.run()
    expect(await Promise.all(waiting)).toEqual(['imported', 'promisified', 'AbortError'])
    expect(world.nowUs).toBe(2_000_000)
  })

  it('are everywhere where a network is the ambient one', () => {
    install()
    const world = new World()
    setAmbient({ world })
    expect(setTimeout(() => {}, 1)).toBeInstanceOf(VirtualTimer)
    setAmbient(null)
  })

  it('are gone when the last network is', () => {
    install()
    install()
    expect(globalThis.setTimeout).not.toBe(realSetTimeout)
    remove.pop()?.()
    expect(globalThis.setTimeout).not.toBe(realSetTimeout)
    remove.pop()?.()
    expect(globalThis.setTimeout).toBe(realSetTimeout)
    expect(timersPromises.setTimeout).toBe(realSleep)
    expect(sleep).toBe(realSleep)
  })
})
