import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LoopClock, type Polled } from '../../../src/stack/clock.ts'

const MS = 1000
const clocks: LoopClock[] = []
const opened: Socket[] = []

function newClock(polled?: Polled): LoopClock {
  const clock = new LoopClock(polled)
  clocks.push(clock)
  return clock
}

/** A bound UDP socket, and one whose `send` reaches it at once. */
async function sockets() {
  const receiver = createSocket('udp4')
  const sender = createSocket('udp4')
  opened.push(receiver, sender)
  receiver.bind(0, '127.0.0.1')
  await once(receiver, 'listening')
  sender.connect(receiver.address().port, '127.0.0.1')
  await once(sender, 'connect')
  // What follows in the same tick comes before the loop's timers, and these before its sockets.
  await new Promise(setImmediate)
  return { receiver, sender }
}

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close()
  for (const clock of clocks.splice(0)) clock.stop()
  vi.useRealTimers()
})

/** Until another clock, asked later than the one under test, has woken: what should have happened has. */
function passed(ms: number): Promise<void> {
  const clock = newClock()
  return new Promise((resolve) => {
    clock.start(
      () => resolve(),
      () => {},
    )
    clock.wakeAt(clock.nowUs() + ms * MS)
    clock.hold(true)
  })
}

/** Keeps the event loop from turning, as a busy application does. */
function stall(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('LoopClock', () => {
  it('counts whole microseconds from its construction and never backwards', () => {
    const clock = newClock()
    let last = clock.nowUs()
    expect(last).toBeGreaterThanOrEqual(0)
    let bad = 0
    for (let i = 0; i < 100_000; i++) {
      const now = clock.nowUs()
      if (!Number.isInteger(now) || now < last) bad++
      last = now
    }
    expect(bad).toBe(0)
    stall(60)
    expect(clock.nowUs() - last).toBeGreaterThanOrEqual(60 * MS)
  })

  it('wakes once, and not early', async () => {
    const clock = newClock()
    let wakes = 0
    const woken = new Promise<number>((resolve) => {
      clock.start(
        (now) => {
          wakes++
          resolve(now)
        },
        () => expect.unreachable(),
      )
    })
    const at = clock.nowUs() + 5500
    clock.wakeAt(at)
    clock.hold(true)
    expect(await woken).toBeGreaterThanOrEqual(at)
    await passed(10)
    expect(wakes).toBe(1)
  })

  it('follows a wake-up that is moved later, earlier, and away', async () => {
    const clock = newClock()
    const wakes: number[] = []
    let woken: () => void = () => {}
    clock.start(
      (now) => {
        wakes.push(now)
        woken()
      },
      () => {},
    )
    const begin = clock.nowUs()
    clock.wakeAt(begin + 5 * MS)
    for (let later = 6; later <= 30; later++) clock.wakeAt(begin + later * MS)
    await new Promise<void>((resolve) => {
      woken = resolve
    })
    expect(wakes[0]).toBeGreaterThanOrEqual(begin + 30 * MS)

    clock.wakeAt(clock.nowUs() + 3600_000 * MS)
    clock.wakeAt(clock.nowUs() + 10 * MS)
    await new Promise<void>((resolve) => {
      woken = resolve
    })
    expect(wakes).toHaveLength(2)

    clock.wakeAt(clock.nowUs() + 5 * MS)
    clock.wakeAt(Infinity)
    await passed(20)
    expect(wakes).toHaveLength(2)
  })

  it('waits for times that no timer of Node can hold', async () => {
    const clock = newClock()
    clock.start(
      () => expect.unreachable(),
      () => {},
    )
    clock.wakeAt(2 ** 45)
    await passed(10)
  })

  it('gives one turn after what the loop is delivering, however often it is asked', async () => {
    const clock = newClock()
    const order: string[] = []
    clock.start(
      () => {},
      () => order.push('turn'),
    )
    clock.soon()
    clock.soon()
    await Promise.resolve()
    order.push('microtask')
    await new Promise(setImmediate)
    expect(order).toEqual(['microtask', 'turn'])
    clock.soon()
    await new Promise(setImmediate)
    expect(order).toEqual(['microtask', 'turn', 'turn'])
  })

  it('asks again from within a turn', async () => {
    const clock = newClock()
    let turns = 0
    const done = new Promise<void>((resolve) => {
      clock.start(
        () => {},
        () => {
          if (++turns < 3) clock.soon()
          else resolve()
        },
      )
    })
    clock.soon()
    await done
    expect(turns).toBe(3)
  })

  it('goes on after a callback threw', async () => {
    const clock = newClock()
    const error = new Promise((resolve) => process.once('uncaughtException', resolve))
    const listeners = process.listeners('uncaughtException').slice(0, -1)
    for (const listener of listeners) process.off('uncaughtException', listener)
    let turns = 0
    clock.start(
      () => {},
      () => {
        if (++turns === 1) throw new Error('from a turn')
      },
    )
    clock.soon()
    expect(await error).toMatchObject({ message: 'from a turn' })
    for (const listener of listeners) process.on('uncaughtException', listener)
    clock.soon()
    await new Promise(setImmediate)
    expect(turns).toBe(2)
  })

  it('reads all that came while the loop was stalled before the turn, which one poll does not', async () => {
    const clock = newClock()
    const { receiver, sender } = await sockets()
    let read = 0
    receiver.on('message', () => {
      read++
      clock.soon(1)
    })
    const atTurn = new Promise<number>((resolve) => {
      clock.start(
        () => {},
        () => resolve(read),
      )
    })
    for (let i = 0; i < 50; i++) sender.send('x')
    expect(await atTurn).toBe(50)
  })

  it('and lets a turn come though there is always more to read', async () => {
    const clock = newClock()
    const { receiver, sender } = await sockets()
    let read = 0
    receiver.on('message', () => {
      read++
      for (let i = 0; i < 2 && read < 2000; i++) sender.send('x')
      clock.soon(1)
    })
    const atTurn = new Promise<number>((resolve) => {
      clock.start(
        () => {},
        () => resolve(read),
      )
    })
    for (let i = 0; i < 40; i++) sender.send('x')
    expect(await atTurn).toBeLessThanOrEqual(9 * 32)
  })

  describe('that polls', () => {
    const POLLING = 'polled'

    /** One that is answered soon, whatever soon is on this machine, until it polls; then it finds what `look` says. */
    async function pollingClock(limit: number, look: (clock: LoopClock) => boolean = () => true) {
      const log: string[] = []
      const looks = { count: 0 }
      const clock = newClock({
        limit: () => limit,
        readAgain: () => {
          looks.count++
          if (log.at(-1) !== POLLING) log.push(POLLING)
          return look(clock)
        },
      })
      clock.start(
        () => {},
        () => log.push('turn'),
      )
      clock.hold(true)
      while (!log.includes(POLLING)) {
        clock.soon(60)
        // For the turn, and to poll.
        await new Promise(setImmediate)
        await new Promise(setImmediate)
      }
      return { clock, log, looks }
    }

    it('turns at once for what it finds', async () => {
      let left = 5
      const { log } = await pollingClock(3_600_000_000, (clock) => {
        if (--left === 2 || left === 0) clock.soon(60)
        return true
      })
      while (left > -10) await new Promise(setImmediate)
      expect(log.slice(log.indexOf(POLLING))).toEqual([POLLING, 'turn', POLLING, 'turn', POLLING])
    })

    it('and in another turn, where whoever heard of it threw', async () => {
      const failure = new Error('user code')
      const others = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      try {
        const thrown = new Promise((resolve) => process.once('uncaughtException', resolve))
        let throws = true
        const { log } = await pollingClock(3_600_000_000, (clock) => {
          if (!throws) return true
          throws = false
          clock.soon(60)
          throw failure
        })
        expect(await thrown).toBe(failure)
        const rest = (): string[] => log.slice(log.indexOf(POLLING))
        while (rest().length < 3) await new Promise(setImmediate)
        expect(rest()).toEqual([POLLING, 'turn', POLLING])
      } finally {
        for (const other of others) process.on('uncaughtException', other)
      }
    })

    it('goes on looking while it finds nothing', async () => {
      const { log, looks } = await pollingClock(3_600_000_000)
      while (looks.count < 10) await new Promise(setImmediate)
      expect(log.slice(log.indexOf(POLLING))).toEqual([POLLING])
    })

    it('looks once, and no more, while other clocks have their turns', async () => {
      const { looks } = await pollingClock(3_600_000_000)
      const other = newClock()
      let turns = 0
      await new Promise<void>((resolve) => {
        other.start(
          () => {},
          () => {
            if (++turns === 1) looks.count = 0
            if (turns === 100) resolve()
            else other.soon()
          },
        )
        other.soon()
      })
      expect(looks.count).toBeGreaterThan(0)
      expect(looks.count).toBeLessThanOrEqual(100)
    })

    it('looks once, and no more, while the loop has other work', async () => {
      const { looks } = await pollingClock(3_600_000_000)
      stall(1)
      await new Promise(setImmediate)
      looks.count = 0
      for (let i = 0; i < 100; i++) {
        stall(1)
        await new Promise(setImmediate)
      }
      expect(looks.count).toBeGreaterThan(0)
      expect(looks.count).toBeLessThanOrEqual(100)
    })

    it('lets the event loop go on, which finds what it cannot', async () => {
      const { receiver, sender } = await sockets()
      const { clock, log } = await pollingClock(3_600_000_000, () => false)
      receiver.on('message', () => {
        log.push('read')
        clock.soon(60)
      })
      for (let i = 0; i < 3; i++) {
        log.length = 0
        sender.send('x')
        while (!log.includes('turn')) await new Promise(setImmediate)
        expect(log.filter((what) => what !== POLLING)).toEqual(['read', 'turn'])
      }
    })

    it('gives up in time', async () => {
      const { looks } = await pollingClock(1000)
      await passed(5)
      looks.count = 0
      await passed(5)
      expect(looks.count).toBe(0)
    })

    it('ends at once for who is not held any more, and with the clock', async () => {
      for (const end of ['hold', 'stop'] as const) {
        const { clock, looks } = await pollingClock(3_600_000_000)
        clock[end](false)
        await new Promise(setImmediate)
        looks.count = 0
        await passed(5)
        expect(looks.count).toBe(0)
      }
    })
  })

  it('lets a stalled loop read its sockets before a late wake-up', async () => {
    const clock = newClock()
    const { receiver, sender } = await sockets()
    const order: string[] = []
    receiver.on('message', () => order.push('datagram'))
    const woken = new Promise<void>((resolve) => {
      clock.start(
        () => {
          order.push('wake')
          resolve()
        },
        () => {},
      )
    })
    // Both the datagram and the deadline come while the loop cannot turn: Node looks at timers first.
    clock.wakeAt(clock.nowUs() + 20 * MS)
    setTimeout(() => order.push('timer'), 20)
    sender.send('x')
    stall(80)
    await woken
    expect(order).toEqual(['timer', 'datagram', 'wake'])
  })

  it('drops a late wake-up whose deadline was moved by what was read meanwhile', async () => {
    const clock = newClock()
    const { receiver, sender } = await sockets()
    let moved = Infinity
    receiver.on('message', () => {
      moved = clock.nowUs() + 60 * MS
      clock.wakeAt(moved)
    })
    const woken = new Promise<number>((resolve) => clock.start(resolve, () => {}))
    clock.wakeAt(clock.nowUs() + 20 * MS)
    sender.send('x')
    stall(80)
    expect(await woken).toBeGreaterThanOrEqual(moved)
  })

  it('calls nobody once stopped', async () => {
    const clock = newClock()
    clock.start(
      () => expect.unreachable(),
      () => expect.unreachable(),
    )
    clock.wakeAt(clock.nowUs() + MS)
    clock.soon()
    clock.hold(true)
    clock.stop()
    clock.stop()
    clock.wakeAt(clock.nowUs())
    clock.soon()
    clock.hold(true)
    await passed(20)
  })

  it('does not stop when fake timers are installed', async () => {
    const clock = newClock()
    const realTimeout = setTimeout
    vi.useFakeTimers()
    const woken = new Promise<void>((resolve) =>
      clock.start(
        () => clock.soon(),
        () => resolve(),
      ),
    )
    const before = clock.nowUs()
    clock.wakeAt(before + 2 * MS)
    clock.hold(true)
    await woken
    vi.useRealTimers()
    expect(clock.nowUs()).toBeGreaterThan(before)
    expect(setTimeout).toBe(realTimeout)
  })

  it('holds the process open by hold alone', () => {
    const source = fileURLToPath(new URL('../../../src/stack/clock.ts', import.meta.url))
    const program = (body: string) => `
      import { LoopClock } from ${JSON.stringify(source)}
      const clock = new LoopClock()
      clock.start(() => { console.log('woken'); clock.hold(false) }, () => console.log('turn'))
      clock.soon()
      ${body}`
    const run = (body: string) =>
      spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program(body)], {
        encoding: 'utf8',
        timeout: 20_000,
      })
    const free = run('clock.wakeAt(clock.nowUs() + 10_000_000_000); clock.hold(true); clock.hold(false)')
    expect([free.stdout, free.stderr, free.status]).toEqual(['turn\n', '', 0])
    const held = run('clock.hold(true); clock.wakeAt(clock.nowUs() + 100_000)')
    expect([held.stdout, held.stderr, held.status]).toEqual(['turn\nwoken\n', '', 0])
  })
})
