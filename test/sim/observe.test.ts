import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { readCapture, segmentsOf } from '../../src/observe/index.ts'
import { type NetworkContext, type NetworkOptions, withNetwork } from '../../src/testing/index.ts'

// What can be watched of a stack: events, and captures that hold every segment once.

const directory = mkdtempSync(join(tmpdir(), 'sluice-observe-'))
afterAll(() => rmSync(directory, { recursive: true }))

async function transfer({ host }: NetworkContext): Promise<void> {
  host('server')
    .net.createServer((socket) => socket.pipe(socket))
    .listen(80)
  const socket = host('client').net.connect(80, 'server')
  socket.end(Buffer.alloc(20_000))
  expect((await buffer(socket)).length).toBe(20_000)
}

/** OutSegs does not count what is sent again. */
const segmentsSent = (counters: Record<string, number>): number => counters.OutSegs + counters.RetransSegs

const scene = (options: NetworkOptions, body: (context: NetworkContext) => Promise<void>) =>
  withNetwork({ seed: 3, delay: 10, ...options }, body)

describe('stack.trace', () => {
  it('tells of segments, states, windows and timers, until it is ended', () =>
    scene({}, async (context) => {
      const client = context.host('client')
      const seen: Record<string, number> = {}
      const states: string[] = []
      const end = client.stack.trace((event) => {
        seen[event.type] = (seen[event.type] ?? 0) + 1
        if (event.type === 'state') states.push(event.to)
      })
      context.host('server')
      context.network.drop((segment) => segment.from === 'client' && segment.length > 0 && segment.offset > 5000, {
        times: 1,
      })
      await transfer(context)
      expect(states.slice(0, 3)).toEqual(['SYN_SENT', 'ESTABLISHED', 'FIN_WAIT1'])
      expect(seen.sent).toBe(segmentsSent(client.counters()))
      expect(seen.cwnd).toBeGreaterThan(0)
      expect(seen['ca-state']).toBeGreaterThan(1)
      const before = { ...seen }
      end()
      await context.network.advance(120_000)
      expect(seen).toEqual(before)
      expect(client.stack.tracer).toBe(null)
    }))
})

describe('stack.capture', () => {
  it('holds every segment that the stack counts, in the order of time', () =>
    scene({ loss: '3%' }, async (context) => {
      const client = context.host('client')
      context.host('server')
      const file = join(directory, 'client.pcapng')
      const capture = client.stack.capture(file, { snaplen: 100 })
      await transfer(context)
      await context.network.advance(1000)
      capture.stop()
      const packets = [...readCapture(readFileSync(file))]
      expect(packets.filter(({ direction }) => direction === 'out').length).toBe(segmentsSent(client.counters()))
      expect(packets.filter(({ direction }) => direction === 'in').length).toBe(client.counters().InSegs)
      expect(capture.packets).toBe(packets.length)
      expect(packets.every(({ ns }, i) => i === 0 || ns >= (packets[i - 1]?.ns ?? 0n))).toBe(true)
      expect(packets.every(({ data }) => data.length <= 100)).toBe(true)
      expect(packets.flatMap((packet) => [...segmentsOf(packet)]).every(({ source }) => source.startsWith('10.'))).toBe(
        true,
      )
    }))

  it("has what the stack's own impairment drops on the second interface, named with rule and seed", () =>
    scene({}, async (context) => {
      const client = context.host('client')
      context.host('server')
      client.stack.impair = { loss: '10%', seed: 42 }
      const pieces: Buffer[] = []
      const capture = client.stack.capture({ write: (bytes) => pieces.push(bytes) })
      const dropped: string[] = []
      client.stack.trace((event) => {
        if (event.type === 'dropped') dropped.push(`${event.rule} ${event.seed}`)
      })
      await transfer(context)
      capture.stop()
      const packets = [...readCapture(Buffer.concat(pieces))]
      const lost = packets.filter(({ interfaceName }) => interfaceName === 'dropped')
      expect(lost.length).toBeGreaterThan(0)
      expect(lost.length).toBe(capture.dropped)
      expect(lost.length).toBe(dropped.length)
      expect(new Set(lost.map(({ comment }) => comment))).toEqual(new Set(['dropped: loss=10%, seed 42']))
      expect(new Set(dropped)).toEqual(new Set(['loss=10% 42']))
      // None of those that passed is among them.
      const passedOut = packets.filter(
        ({ interfaceName, direction }) => interfaceName === 'passed' && direction === 'out',
      )
      const lostOut = lost.filter(({ direction }) => direction === 'out')
      expect(passedOut.length + lostOut.length).toBe(segmentsSent(client.counters()))
    }))

  it('of one scenario is the same each time', async () => {
    const take = async (name: string): Promise<Buffer> => {
      const file = join(directory, name)
      await scene({ loss: '5%' }, async (context) => {
        const capture = context.host('client').stack.capture(file)
        await transfer(context)
        capture.stop()
      })
      return readFileSync(file)
    }
    const first = await take('one.pcapng')
    expect(first.length).toBeGreaterThan(20_000)
    expect((await take('two.pcapng')).equals(first)).toBe(true)
  })

  it('says where it cannot write', () =>
    scene({}, async ({ host }) => {
      expect(() => host('client').stack.capture(join(directory, 'no', 'such', 'folder'))).toThrow('ENOENT')
    }))

  it('follows a link with a queue: what the queue drops is dropped by rate', () =>
    scene({ rate: '1mbit', queue: 5 }, async (context) => {
      const client = context.host('client')
      context.host('server')
      const file = join(directory, 'queue.pcapng')
      const capture = context.network.capture(file, { host: client })
      await transfer(context)
      capture.stop()
      const comments = [...readCapture(readFileSync(file))].flatMap(({ comment }) => comment ?? [])
      expect(comments.length).toBeGreaterThan(0)
      expect(new Set(comments).size).toBe(1)
      expect(comments[0]).toMatch(/^dropped: .*, seed 3$/)
    }))
})

describe('a network', () => {
  it('shows its last segments as tcpdump would', () =>
    scene({ keep: 3 }, async (context) => {
      context.host('server').net.createServer().listen(80)
      await once(context.host('client').net.connect(80, 'server'), 'connect')
      const lines = context.network.trace().trimEnd().split('\n')
      expect(lines.length).toBe(3)
      for (const line of lines) expect(line).toMatch(/^ +\d+\.\d{6} IP 10\.0\.0\.\d\.\d+ > 10\.0\.0\.\d\.\d+: Flags \[/)
    }))
})
