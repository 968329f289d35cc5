import { expect, it } from 'vitest'
import { DecisionTracer } from '../../../src/observe/index.ts'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { withNetwork } from '../../../src/testing/index.ts'

const nameIn = (names: Record<string, unknown>) => (value: number) =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value)

it('tells in words what is decided, and of no segment for which nothing was', () =>
  withNetwork({ seed: 1, delay: 10 }, async ({ host, network }) => {
    const lines: string[] = []
    const client = host('client')
    client.stack.tracer = new DecisionTracer((line) => lines.push(line), nameIn(State), nameIn(CloseReason))
    host('server')
      .net.createServer((socket) => socket.on('error', () => {}).pipe(socket))
      .listen(80)
    const socket = client.net.connect(80, 'server')
    await new Promise((resolve) => socket.once('connect', resolve))
    network.drop(({ length }) => length > 0, { times: 1 })
    socket.write('hello')
    await new Promise((resolve) => socket.once('data', resolve))
    network.reset(socket)
    await new Promise((resolve) => socket.once('error', resolve))
    const told = lines.map((line) => line.replace(/^\d+\.\d{6} connection 1: /, '').replace(/Flags.*/, '…'))
    expect(told.slice(0, 3)).toEqual([
      'CLOSE → SYN_SENT',
      expect.stringMatching(/^opens: \d+ > 80: …$/),
      'SYN_SENT → ESTABLISHED',
    ])
    expect(told).toContainEqual(expect.stringMatching(/^timer: /))
    expect(told).toContainEqual(expect.stringMatching(/^sends again: \d+ > 80: …$/))
    expect(told).toContainEqual(expect.stringMatching(/^is reset: 80 > \d+: …$/))
    expect(told.at(-1)).toBe('ESTABLISHED → CLOSE')
    expect(told.length).toBeLessThan(12)
  }))

it('tells what the impairment did to which segment, by which rule and seed', () =>
  withNetwork({ seed: 1, delay: 10 }, async ({ net, network }) => {
    const lines: string[] = []
    const { stack } = network.host('local')
    stack.impair.assign({ loss: { packets: [2] }, delay: 5, seed: 9 })
    stack.tracer = new DecisionTracer((line) => lines.push(line), nameIn(State), nameIn(CloseReason))
    net.createServer((socket) => socket.end('bye')).listen(80)
    const socket = net.connect(80)
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    const dropped = lines.filter((line) => line.includes('dropped'))
    expect(dropped[0]).toMatch(
      /^\d+\.\d{6} packet 1 of connection 0 (to|from) 127\.0\.0\.1:80: dropped by loss=packets 2, seed 9: \d+ > \d+: Flags/,
    )
    // Those that were only delayed are not told of.
    expect(lines.filter((line) => line.includes('packet')).length).toBe(dropped.length)
  }))
