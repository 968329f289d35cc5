import { AssertionError } from 'node:assert'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import {
  assertions,
  createNetwork,
  matchers,
  type NetworkContext,
  type NetworkOptions,
  networkFixture,
  withNetwork,
} from '../../src/testing/index.ts'

expect.extend(matchers)
declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: it has to have the parameter that vitest's own declaration has.
  interface Matchers<T = any> {
    toHaveRetransmitted(count?: number | { atLeast?: number; atMost?: number }): T
    toHaveLost(count?: number | { atLeast?: number; atMost?: number }): T
    toHaveCounted(counter: string, count?: number | { atLeast?: number; atMost?: number }): T
    toBeInState(state: string): T
    toRecoverWithin(ms: number): Promise<T>
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-testing-'))
afterAll(() => rmSync(directory, { recursive: true }))
afterEach(() => vi.useRealTimers())

type Ends = Awaited<ReturnType<typeof connected>>

/** A connection between two hosts, both ends in hand. */
async function connected({ host }: NetworkContext, options: Parameters<NetworkContext['host']>[1] = {}) {
  const [client, server] = [host('client', options), host('server', options)]
  const listener = server.net.createServer({ allowHalfOpen: true }).listen(80)
  const socket = client.net.connect(80, 'server')
  const [[accepted]] = await Promise.all([once(listener, 'connection'), once(socket, 'connect')])
  return { client, server, socket, accepted: accepted as typeof socket }
}

describe('withNetwork', () => {
  it('gives back what the callback gives back, and needs no options', async () => {
    expect(await withNetwork(({ network }) => network.time)).toBe('virtual')
  })

  it('lets fifteen minutes of silence pass in a moment: tcp_retries2 spent', () =>
    withNetwork({ seed: 1, delay: 50 }, async (context) => {
      const { socket, client } = await connected(context)
      const beganMs = context.network.now()
      context.network.partition('client', 'server')
      socket.write('is anybody there?')
      await expect(once(socket, 'data')).rejects.toMatchObject({ code: 'ETIMEDOUT' })
      const tookMs = context.network.now() - beganMs
      expect(tookMs).toBeGreaterThan(15 * 60_000)
      expect(tookMs).toBeLessThan(18 * 60_000)
      expect(client).toHaveRetransmitted(16)
    }))

  it.each<[string, (context: NetworkContext, ends: Ends) => Promise<void>]>([
    [
      'timers of the code under test, in every form',
      async ({ network }) => {
        const beganMs = network.now()
        await sleep(60_000)
        await new Promise((resolve) => setTimeout(resolve, 30_000))
        let ticks = 0
        await new Promise<void>((resolve) => {
          const interval = setInterval(() => {
            if (++ticks < 3) return
            clearInterval(interval)
            resolve()
          }, 10_000)
        })
        expect(network.now() - beganMs).toBe(120_000)
      },
    ],
    [
      "a socket's own idle timeout",
      async ({ network }, { socket }) => {
        const beganMs = network.now()
        socket.setTimeout(300_000)
        await once(socket, 'timeout')
        expect(network.now() - beganMs).toBe(300_000)
      },
    ],
    [
      'keepalive, in the middle of which the peer has gone',
      async ({ network }, { socket, accepted }) => {
        socket.setKeepAlive(true, 60_000)
        accepted.resume()
        await network.advance(61_000)
        network.partition()
        await expect(once(socket, 'data')).rejects.toMatchObject({ code: 'ETIMEDOUT' })
        expect(network.now()).toBeLessThan(200_000)
      },
    ],
  ])('has in virtual time %s', (_, body) =>
    withNetwork({ seed: 1 }, async (context) => body(context, await connected(context))),
  )

  it('lets no time pass while files are read, and none while outside work is waited for', () =>
    withNetwork({ seed: 1 }, async (context) => {
      const { socket, accepted } = await connected(context)
      accepted.pipe(accepted)
      await network20s(context)
      const beganUs = context.network.nowUs
      for (let i = 0; i < 3; i++) await readFile(import.meta.filename)
      expect(context.network.nowUs).toBe(beganUs)
      await context.network.outside(new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      expect(context.network.nowUs).toBe(beganUs)
      socket.destroy()
    }))

  const network20s = ({ network }: NetworkContext): Promise<void> => network.advance(20_000)

  it('is not stopped by fake timers, which stay with the code under test', () =>
    withNetwork({ seed: 1, delay: 30 }, async (context) => {
      vi.useFakeTimers()
      const { socket, accepted } = await connected(context)
      let rang = false
      setTimeout(() => {
        rang = true
      }, 1000)
      accepted.end('done')
      expect(String(await buffer(socket))).toBe('done')
      expect(rang).toBe(false)
      vi.advanceTimersByTime(1000)
      expect(rang).toBe(true)
    }))

  it('fails with the report: seed, counters, sockets and the last segments', async () => {
    const failing = withNetwork({ seed: 77 }, async (context) => {
      const { socket } = await connected(context)
      context.network.drop((segment) => segment.length > 0, { times: 1 })
      socket.write('something')
      await context.network.advance(5000)
      throw new Error('not what I wanted')
    })
    const error = await failing.catch((reason: Error) => reason)
    expect((error as Error).message).toMatch(/^not what I wanted\n\nsluice network: seed 77 /)
    expect((error as Error).message).toMatch(/host client 10\.0\.0\.1 .*\n.*ActiveOpens 1/)
    expect((error as Error).message).toMatch(/ESTABLISHED .* 10\.0\.0\.2:80/)
    expect((error as Error).message).toMatch(
      /IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.80: Flags \[P\.\], seq 1:10, ack 1, .*length 9/,
    )
    expect((error as Error).message).toContain('length 9 [lost: drop]')
    expect((error as Error).stack).toContain('sluice network: seed 77')
  })

  it('fails where the code under test waits for what never comes', async () => {
    await expect(withNetwork({ seed: 1 }, () => new Promise(() => {}))).rejects.toThrow(
      /^Nothing is left to happen at 0\.000000 s of virtual time/,
    )
    const forever = withNetwork({ seed: 1, limit: 0.1 }, async (context) => {
      const { socket } = await connected(context)
      await once(socket, 'data')
    })
    await expect(forever).rejects.toThrow(/still waits at 3\d\d\.\d+ s of virtual time, and option 'limit'/)
  })

  it.each<[NetworkOptions, string]>([
    [{ loss: '150%' }, "Impairment 'loss' must be"],
    [{ lost: '5%' } as NetworkOptions, "'lost'"],
    [{ time: 'slow' as 'real' }, "Option 'time' must be 'virtual' or 'real'"],
  ])('refuses %o', async (options, message) => {
    await expect(withNetwork(options, () => {})).rejects.toThrow(message)
  })
})

describe('a network', () => {
  it.each(['virtual', 'real'] as const)('partitions and heals, in %s time', (time) =>
    withNetwork({ seed: 1, time, sysctl: { tcp_rto_min_us: 50_000 } }, async (context) => {
      const { socket, accepted } = await connected(context)
      accepted.pipe(accepted)
      context.network.partition('client')
      socket.write('through?')
      await context.network.advance(100)
      expect(context.network.statistics().lostBy.partition).toBeGreaterThan(0)
      context.network.heal()
      await expect(socket).toRecoverWithin(30_000)
      const [answer] = await once(socket, 'data')
      expect(String(answer)).toBe('through?')
      expect(socket).toHaveRetransmitted()
      expect(socket).toBeInState('ESTAB')
    }),
  )

  it('drops what a predicate says, so often as it is told', () =>
    withNetwork({ seed: 1, delay: 10 }, async ({ host, network }) => {
      const lost = network.drop((segment) => segment.syn && segment.ack, { times: 2 })
      host('server').net.createServer().listen(80)
      const socket = host('client').net.connect(80, 'server')
      await once(socket, 'connect')
      expect(lost.count).toBe(2)
      expect(network).toHaveLost(2)
      expect(network.now()).toBeGreaterThan(1000)
    }))

  it('tells a predicate where a segment stands in its connection', () =>
    withNetwork({ seed: 1, delay: 10 }, async (context) => {
      const { socket, accepted } = await connected(context)
      const seen: [string, number, number, number][] = []
      context.network.drop((segment) => {
        if (segment.length > 0) seen.push([segment.from, segment.offset, segment.length, segment.attempt])
        return segment.offset === 1000 && segment.attempt === 1
      })
      accepted.resume()
      socket.setNoDelay(true)
      socket.write(Buffer.alloc(1000))
      await context.network.advance(100)
      socket.write(Buffer.alloc(500))
      await expect(socket).toRecoverWithin(5000)
      expect(seen).toEqual([
        ['client', 0, 1000, 1],
        ['client', 1000, 500, 1],
        ['client', 1000, 500, 2],
      ])
    }))

  it.each(['virtual', 'real'] as const)('resets a connection, at both ends, in %s time', (time) =>
    withNetwork({ seed: 1, time }, async (context) => {
      const { socket, accepted } = await connected(context)
      context.network.reset(socket)
      const failures = await Promise.all(
        [socket, accepted].map(async (end) => {
          end.resume()
          return (await once(end, 'error'))[0].code
        }),
      )
      expect(failures).toEqual(['ECONNRESET', 'ECONNRESET'])
    }),
  )

  it('has links of their own between hosts, each direction apart', () =>
    withNetwork({ seed: 1 }, async (context) => {
      const { socket, accepted } = await connected(context)
      context.network.link('client', 'server', { delay: 300 }, { delay: 100 })
      accepted.pipe(accepted)
      const beganMs = context.network.now()
      socket.write('x')
      await once(socket, 'data')
      expect(context.network.now() - beganMs).toBeCloseTo(400, 0)
    }))

  it('has hosts with parameters of their own', () =>
    withNetwork({ seed: 1, sysctl: { tcp_sack: 0 } }, ({ host }) => {
      expect(host('a').sysctl.get('tcp_sack')).toBe(0)
      expect(host('b', { sysctl: { tcp_sack: 1 } }).sysctl.get('tcp_sack')).toBe(1)
      expect(host('a').address).not.toBe(host('b').address)
      expect(host('a').net).not.toBe(host('b').net)
    }))

  it('kills a process: its peer is refused', () =>
    withNetwork({ seed: 1 }, async (context) => {
      const { socket, server } = await connected(context)
      server.kill()
      const ping = setInterval(() => socket.write('x'), 500)
      await expect(once(socket, 'data')).rejects.toMatchObject({ code: 'ECONNRESET' })
      clearInterval(ping)
    }))

  it('can be made and closed by hooks', async () => {
    const network = createNetwork({ seed: 5 })
    const beganMs = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 3_600_000))
    expect(network.now()).toBe(3_600_000)
    expect(performance.now() - beganMs).toBeLessThan(3_600_000)
    await network.close()
  })

  const fixed = it.extend<{ sluice: NetworkContext }>({ sluice: networkFixture({ seed: 9, delay: 40 }) as never })
  fixed('comes as a fixture', async ({ sluice }) => {
    const { socket, accepted } = await connected(sluice)
    accepted.end('hello')
    expect(String(await buffer(socket))).toBe('hello')
    expect(sluice.network.seed).toBe(9)
    setTimeout(() => {}, 5)
  })
})

describe('replay', () => {
  const weathers: NetworkOptions[] = []
  for (const loss of ['0', '2%', '10%', '30%', '50%'])
    for (const delay of [0, 1, 20, 150, 600])
      for (const more of [{ jitter: 0 }, { jitter: delay / 2, duplicate: '3%' }])
        weathers.push({ loss, delay, ...more })

  async function run(options: NetworkOptions, file: string): Promise<{ capture: Buffer; trace: string }> {
    return withNetwork({ keep: Infinity, ...options }, async (context) => {
      const path = join(directory, file)
      const capture = context.network.capture(path, { host: 'client' })
      const story = async (): Promise<void> => {
        const { socket, accepted } = await connected(context)
        accepted.on('error', () => {})
        accepted.pipe(accepted)
        socket.end(Buffer.alloc(4000, 'x'))
        await buffer(socket)
      }
      // With such losses some connections are given up.
      await Promise.race([story().catch(() => {}), context.network.advance(900_000)])
      capture.stop()
      return { capture: readFileSync(path), trace: context.network.trace() }
    })
  }

  it('of fifty scenarios gives the same bytes, segment by segment and in the capture', async () => {
    expect(weathers.length).toBe(50)
    const traces = new Set<string>()
    for (const [seed, weather] of weathers.entries()) {
      const once = await run({ ...weather, seed }, 'a.pcapng')
      const again = await run({ ...weather, seed }, 'b.pcapng')
      expect(again.trace).toBe(once.trace)
      expect(again.capture.equals(once.capture)).toBe(true)
      traces.add(once.trace)
    }
    // Not because nothing ever differs.
    expect(traces.size).toBe(50)
  })
})

describe('assertions', () => {
  it('say what was wanted and what there was', () =>
    withNetwork({ seed: 1 }, async (context) => {
      const { socket, client } = await connected(context)
      expect(() => assertions.toBeInState(socket, 'time-wait')).toThrow(
        'expected the connection to be in TIME_WAIT, and it is in ESTABLISHED',
      )
      expect(() => assertions.toHaveRetransmitted(socket)).toThrow(
        'expected at least 1 segments sent again, and there were 0',
      )
      expect(() => assertions.toHaveCounted(client, 'ActiveOpens', 2)).toThrow(AssertionError)
      assertions.toHaveCounted(client, 'ActiveOpens', 1)
      context.network.partition()
      socket.write('x')
      await expect(assertions.toRecoverWithin(socket, 1000)).rejects.toThrow('expected recovery within 1000 ms')
      expect(() => assertions.toBeInState(socket, 'SLEEPING')).toThrow('There is no state "SLEEPING"')
      expect(() => assertions.toBeInState({} as never, 'CLOSE')).toThrow('toBeInState wants a socket of sluice')
    }))

  it('know the state of what has closed', () =>
    withNetwork({ seed: 1, delay: 20 }, async (context) => {
      const { socket, accepted } = await connected(context)
      accepted.resume()
      accepted.on('end', () => accepted.end())
      socket.resume()
      socket.end()
      await once(socket, 'close')
      expect(socket).toBeInState('TIME_WAIT')
      expect(accepted).not.toBeInState('TIME_WAIT')
      await context.network.advance(61_000)
      expect(socket).toBeInState('CLOSED')
    }))
})

describe('explicit congestion notification', () => {
  it('is carried over the links: what they would have lost is marked, and nothing is sent again', () =>
    withNetwork({ seed: 1, delay: 20, loss: '3%', ecn: true, sysctl: { tcp_ecn: 1 } }, async (context) => {
      const { socket, accepted } = await connected(context)
      socket.end(Buffer.alloc(300_000))
      // Pure acknowledgements are not ECN-capable, and may be lost.
      expect((await buffer(accepted)).length).toBe(300_000)
      expect(socket.tcp.info()).toMatchObject({ total_retrans: 0 })
      expect(socket.tcp.info()?.delivered_ce).toBeGreaterThan(0)
    }))
})
