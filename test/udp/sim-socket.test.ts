import dgram from 'node:dgram'
import { describe, expect, it } from 'vitest'
import { SimNet } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'

// What simulations believe about dgram, asked of the real one: the same program on both, and what it saw compared.

interface Ground {
  readonly dgram: typeof dgram
  /** Lets the loop come round until nothing more happens. */
  settle(): Promise<void>
}

const real: Ground = {
  dgram,
  async settle() {
    // Loopback delivers at once, and a loop reads 32 datagrams of a socket at a time.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  },
}

function simulated(): Ground {
  const world = new World()
  // Linux delivers on loopback before `send` returns.
  const host = new SimNet(world, { loopback: {} }).host('a')
  return {
    dgram: host.dgram,
    async settle() {
      world.run()
    },
  }
}

type Program = (ground: Ground, note: (...what: unknown[]) => void) => Promise<void>

async function observe(ground: Ground, program: Program): Promise<unknown[]> {
  const log: unknown[] = []
  await program(ground, (...what) => log.push(what))
  return log
}

const lookup = (name: string, family: unknown, done: (error: null, address: string, family: number) => void): void =>
  done(null, name, family as number)
const options = { type: 'udp4', lookup } as unknown as dgram.SocketOptions

const attempt = (action: () => unknown): unknown => {
  try {
    return action()
  } catch (error) {
    return facts(error as NodeJS.ErrnoException)
  }
}

/** An error as users see it, ports hidden. */
function facts(error: (NodeJS.ErrnoException & { address?: string; port?: number }) | null | undefined): unknown {
  if (error === null || error === undefined) return 'no error'
  const { code, errno, syscall, address, port } = error
  const message = code?.startsWith('ERR_') ? '' : error.message.replace(/:\d+$/, ':port')
  return { code, errno, syscall, address, hasPort: port !== undefined, message }
}

const programs: Record<string, Program> = {
  async 'binding, and what may be asked before and after'({ dgram, settle }, note) {
    const socket = dgram.createSocket(options)
    for (const event of ['listening', 'connect', 'close']) socket.on(event, () => note(event))
    socket.on('error', (error) => note('error', facts(error)))
    note(attempt(() => socket.address()))
    note(attempt(() => socket.getRecvBufferSize()))
    note(attempt(() => socket.remoteAddress()))
    socket.bind(0, '127.0.0.1', () => note('callback'))
    note('bind returned', socket.address().address, socket.address().family)
    note(attempt(() => socket.bind(0)))
    note(attempt(() => socket.disconnect()))
    note(attempt(() => socket.send('x', 70_000, '127.0.0.1')))
    note(attempt(() => socket.send(5 as unknown as Buffer, 7, '127.0.0.1')))
    socket.connect(9, '127.0.0.2', () => note('connect callback'))
    note('connect returned', socket.remoteAddress())
    note(attempt(() => socket.connect(9)))
    note(attempt(() => socket.send('x', 0, 1, 7, '127.0.0.1')))
    await settle()
    socket.disconnect()
    note(attempt(() => socket.remoteAddress()))
    socket.close(() => note('close callback'))
    note('close returned')
    for (const use of ['address', 'close'] as const) note(attempt(() => socket[use]()))
    note(attempt(() => socket.send('x', 7, '127.0.0.1')))
    await settle()
  },

  async 'a lookup that takes its time'({ dgram, settle }, note) {
    const socket = dgram.createSocket('udp4')
    socket.on('listening', () => note('listening'))
    socket.on('connect', () => note('connect'))
    socket.bind(0, '127.0.0.1')
    note(attempt(() => socket.address()))
    await settle()
    note(attempt(() => socket.address().address))
    socket.close()
    await settle()
  },

  async 'ports that are taken and addresses of others'({ dgram, settle }, note) {
    const first = dgram.createSocket(options)
    first.bind(0, '127.0.0.1')
    const { port } = first.address()
    const cases: [dgram.SocketOptions, string, number][] = [
      [options, '127.0.0.1', port],
      [options, '0.0.0.0', port],
      [options, '127.0.0.2', port],
      [{ ...options, reuseAddr: true }, '127.0.0.1', port],
      [{ ...options, type: 'udp6' }, '::', port],
      [{ ...options, type: 'udp6', ipv6Only: true }, '::', port],
      [options, '203.0.113.1', 0],
    ]
    for (const [socketOptions, address, wanted] of cases) {
      const socket = dgram.createSocket(socketOptions)
      let outcome: unknown = 'bound'
      socket.on('error', (error) => {
        outcome = facts(error)
      })
      socket.bind(wanted, address)
      note(address, outcome)
      socket.close()
    }
    const [a, b] = [1, 2].map(() => dgram.createSocket({ ...options, reuseAddr: true }))
    a.bind(0, '127.0.0.1')
    b.bind(a.address().port, '127.0.0.1')
    note('both share', a.address().port === b.address().port)
    for (const socket of [first, a, b]) socket.close()
    await settle()
  },

  async messages({ dgram, settle }, note) {
    const [server, client] = [dgram.createSocket(options), dgram.createSocket(options)]
    server.bind(0)
    client.bind(0, '127.0.0.1')
    const { port } = server.address()
    server.on('message', (message, info) => {
      note(message.toString(), info.address, info.family, info.port === client.address().port, info.size)
    })
    const sent = (error: Error | null, bytes: number): void => note('sent', facts(error), bytes)
    client.send('text', port, '127.0.0.1', sent)
    client.send(Buffer.from('sliced'), 1, 3, port, '127.0.0.1', sent)
    client.send([Buffer.from('a '), Buffer.from('list')], port, '127.0.0.1', sent)
    client.send(Buffer.alloc(0), port, '127.0.0.1', sent)
    client.send(Buffer.alloc(70_000), port, '127.0.0.1', (error) => note(facts(error)))
    note(attempt(() => client.send(Buffer.alloc(3), 2, 2, port, '127.0.0.1')))
    await settle()
    client.connect(port, '127.0.0.1')
    client.send('connected', sent)
    client.send(Buffer.from('sliced'), 0, 2, sent)
    await settle()
    for (const socket of [server, client]) socket.close()
    await settle()
  },

  async 'a port that nobody has'({ dgram, settle }, note) {
    const gone = dgram.createSocket(options)
    gone.bind(0, '127.0.0.1')
    const { port } = gone.address()
    gone.close()
    const socket = dgram.createSocket(options)
    socket.on('error', (error) => note('error', facts(error)))
    socket.bind(0, '127.0.0.1')
    socket.connect(port, '127.0.0.1')
    await settle()
    socket.send('x', (error) => note('first', facts(error)))
    await settle()
    for (const name of ['second', 'third', 'fourth']) socket.send('x', (error) => note(name, facts(error)))
    await settle()
    socket.disconnect()
    socket.send('x', port, '127.0.0.1', (error) => note('loose', facts(error)))
    await settle()
    socket.send('x', port, '127.0.0.1', (error) => note('loose', facts(error)))
    await settle()
    socket.close()
    await settle()
  },

  async 'a broadcast without leave'({ dgram, settle }, note) {
    const socket = dgram.createSocket(options)
    socket.on('error', (error) => note('error', facts(error)))
    socket.send('x', 9, '255.255.255.255', (error) => note('sent', facts(error)))
    await settle()
    socket.connect(9, '255.255.255.255')
    await settle()
    socket.close()
    await settle()
  },

  async 'a receive buffer that overflows'({ dgram, settle }, note) {
    for (const size of [1, 100, 400, 1400, 3000, 6000, 16_000, 32_000, 60_000]) {
      const [server, client] = [dgram.createSocket(options), dgram.createSocket(options)]
      let received = 0
      server.on('message', () => received++)
      server.bind(0, '127.0.0.1')
      server.setRecvBufferSize(65_536)
      client.bind(0, '127.0.0.1')
      client.connect(server.address().port, '127.0.0.1')
      for (let i = 0; i < 200; i++) client.send(Buffer.alloc(size))
      await settle()
      note(size, received, server.getRecvBufferSize())
      for (const socket of [server, client]) socket.close()
      await settle()
    }
  },
}

// Elsewhere buffers are charged and errors timed in other ways; simulations are of Linux everywhere.
describe.runIf(process.platform === 'linux')('a simulated socket behaves as a real one', () => {
  it.each(Object.keys(programs))('%s', async (name) => {
    const expected = await observe(real, programs[name])
    expect(await observe(simulated(), programs[name])).toEqual(expected)
    expect(expected.length).toBeGreaterThan(1)
  })
})
