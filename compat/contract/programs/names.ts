import { once } from 'node:events'
import { alone, type Context, type Programs, type Socket } from '../program.ts'

// Names: the lookup, its answers good and bad, and happy eyeballs over what it came to.

type Address = { address: string; family: number }
type Answer = (error: Error | null, address?: unknown, family?: unknown) => void

/** Where the servers listen, and where nobody does. */
const IPV4: Address = { address: '127.0.0.1', family: 4 }
const IPV6: Address = { address: '::1', family: 6 }
const NONSENSE: Address = { address: 'nonsense', family: 4 }

/** A lookup that always gives the same answer, a tick later; and records what it was asked. */
function answering({ record }: Context, error: Error | null, address?: unknown, family?: unknown): never {
  return ((host: string, options: { all?: boolean }, callback: Answer) => {
    record('lookup of', host, options)
    process.nextTick(callback, error, address, family)
  }) as never
}

/** The same, at once. */
function answeringNow({ record }: Context, error: Error | null, address?: unknown, family?: unknown): never {
  return ((host: string, options: unknown, callback: Answer) => {
    record('lookup of', host, options)
    callback(error, address, family)
  }) as never
}

/** A watched client on its way to a name. */
function connectBy(context: Context, lookup: never, options: object): Socket {
  return context.watch(context.net.connect({ port: 1, host: 'a.name', lookup, ...options } as never), 'client')
}

/** The same, by a lookup that gives `addresses` when it is asked for all. */
function connectToAll(context: Context, addresses: unknown, options: object = {}): Socket {
  return connectBy(context, answering(context, null, addresses), { autoSelectFamily: true, ...options })
}

/** Connects to a name that `addresses` stand for, and records all of it. */
async function connectTo(context: Context, addresses: unknown, options: object = {}, close = true): Promise<void> {
  const { listen, next } = context
  const { server, port } = await listen({}, (peer) => peer.end())
  const client = connectToAll(context, addresses, { port, ...options })
  client.on('error', () => {})
  client.resume()
  if (close) await next(client, 'close')
  else await context.turns(20)
  client.destroy()
  context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
  server.close()
}

export const programs: Programs = {
  async 'a lookup with one address'(context) {
    const { server, port } = await context.listen({}, (peer) => peer.end())
    const lookup = answering(context, null, '127.0.0.1', 4)
    const client = connectBy(context, lookup, { port, autoSelectFamily: false })
    client.resume()
    await once(client, 'close')
    context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
    server.close()
  },

  async 'a lookup that answers at once'(context) {
    const { server, port } = await context.listen({}, (peer) => peer.end())
    const lookup = answeringNow(context, null, '127.0.0.1', 4)
    const client = connectBy(context, lookup, { port, autoSelectFamily: false })
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'a lookup that fails'(context) {
    const error = Object.assign(new Error('no such name'), { code: 'ENOTFOUND', hostname: 'a.name' })
    const lookup = answering(context, error)
    for (const autoSelectFamily of [false, true]) {
      const client = connectBy(context, lookup, { autoSelectFamily })
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'a lookup that fails at once'(context) {
    const lookup = answeringNow(context, new Error('no such name'))
    for (const autoSelectFamily of [false, true]) {
      const client = connectBy(context, lookup, { autoSelectFamily })
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'a lookup that throws'({ net, attempt }) {
    attempt('connect', () => {
      net.connect({
        port: 1,
        host: 'a.name',
        lookup: () => {
          throw new Error('from the lookup')
        },
      })
    })
  },

  async 'an answer that is no address'(context) {
    for (const address of ['not an address', '', undefined, null, 5, {}]) {
      const lookup = answering(context, null, address, 4)
      const client = connectBy(context, lookup, { autoSelectFamily: false })
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'an answer of an unknown family'(context) {
    for (const family of [0, 5, undefined, 'IPv4', null]) {
      const lookup = answering(context, null, '127.0.0.1', family)
      const client = connectBy(context, lookup, { autoSelectFamily: false })
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'options of the lookup'(context) {
    for (const options of [
      {},
      { family: 4 },
      { family: 6 },
      { family: 0 },
      { family: 'IPv4' },
      { hints: 1024 },
      { localAddress: '127.0.0.1' },
    ]) {
      const lookup = answering(context, new Error('enough'))
      const client = context.net.connect({ port: 1, host: 'a.name', lookup, ...options } as never)
      await once(client, 'close').catch(() => {})
    }
  },

  async 'no lookup for addresses'(context) {
    const { listen, net, watch } = context
    const { server, port } = await listen({}, (peer) => peer.end())
    const lookup = answering(context, new Error('asked'))
    const client = watch(net.connect({ port, host: '127.0.0.1', lookup }), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'localhost by the system'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = net.connect({ port, host: 'localhost', family: 4 })
    client.on('lookup', (...args) => record('lookup', ...args))
    client.resume()
    await once(client, 'close')
    record('remote', client.autoSelectFamilyAttemptedAddresses)
    server.close()
  },

  async 'a name that the system does not know'({ net, watch, next }) {
    const client = watch(net.connect(80, 'no.such.name.invalid'), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'destroyed while the lookup runs'(context) {
    const client = connectBy(context, answering(context, null, '127.0.0.1', 4), { autoSelectFamily: false })
    client.destroy()
    await context.next(client, 'close')
    await context.turns()
  },

  async 'destroyed while the lookup of all runs'(context) {
    const client = connectToAll(context, [IPV4])
    client.destroy()
    await context.next(client, 'close')
    await context.turns()
  },

  async 'destroyed in the lookup listener'(context) {
    const client = connectBy(context, answering(context, null, '127.0.0.1', 4), { autoSelectFamily: false })
    client.on('lookup', () => client.destroy())
    await context.next(client, 'close')
  },

  'all: one address': (context) => connectTo(context, [IPV4]),

  'all: the second answers': (context) => connectTo(context, [IPV6, IPV4]),

  'all: the first answers': (context) => connectTo(context, [IPV4, IPV6]),

  'all: families take turns': (context) =>
    connectTo(context, [IPV6, { address: '127.0.0.9', family: 4 }, { address: '127.0.0.10', family: 4 }, IPV4]),

  'all: the same address twice': (context) => connectTo(context, [IPV6, IPV6, IPV4, IPV4]),

  'all: some are no addresses': (context) => connectTo(context, [NONSENSE, { address: '127.0.0.1', family: 5 }, IPV4]),

  'all: none is an address': (context) => connectTo(context, [NONSENSE]),

  'all: none has a family': (context) => connectTo(context, [{ address: '127.0.0.1', family: 5 }]),

  'all: no addresses at all': (context) => connectTo(context, [], {}, false),

  'all: one string in place of a list': (context) => connectTo(context, '127.0.0.1'),

  async 'all: nobody answers'(context) {
    const port = await context.freePort()
    const client = connectToAll(context, [IPV4, IPV6], { port })
    client.on('error', () => {})
    await context.next(client, 'close')
    context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
  },

  async 'all: nobody answers, and writes wait'(context) {
    const port = await context.freePort()
    const client = connectToAll(context, [IPV4, IPV6], { port })
    client.on('error', () => {})
    client.write('x', (error) => context.recordIn('client', 'written', error))
    await context.next(client, 'close')
  },

  async 'all: writes before connect arrive by the address that answers'(context) {
    const { server, port } = await context.listen({}, (peer) => {
      context.watch(peer, 'peer')
      peer.resume()
    })
    const client = connectToAll(context, [IPV6, IPV4], { port })
    client.write('one')
    client.end('two')
    client.resume()
    const [peer] = (await once(server, 'connection')) as [Socket]
    await once(peer, 'data')
    await context.turns(10)
    client.destroy()
    peer.destroy()
    server.close()
  },

  async 'all: destroyed between attempts'(context) {
    const port = await context.freePort()
    const client = connectToAll(context, [IPV4, IPV6], { port })
    client.on('error', () => {})
    client.on('connectionAttemptFailed', () => client.destroy())
    await context.next(client, 'close')
    context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
  },

  'all: family 4 asks for one': (context) => connectTo(context, '127.0.0.1', { family: 4 }),

  'all: with a local port': async (context) => {
    const localPort = await context.freePort('local port')
    await connectTo(context, [IPV6, IPV4], { localPort })
  },

  'all: IPv6 first when the first usable is IPv6': (context) => connectTo(context, [NONSENSE, IPV6, IPV4]),

  'the default can be switched off': alone(async (context) => {
    const { listen, net } = context
    net.setDefaultAutoSelectFamily(false)
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = connectBy(context, answering(context, null, '127.0.0.1', 4), { port })
    await once(client.resume(), 'close')
    server.close()
  }),

  async '_host is the name'(context) {
    const client = context.net.connect({ port: 1, host: 'a.name', lookup: answering(context, new Error('enough')) })
    client.on('error', () => {})
    context.record('_host', (client as unknown as { _host: unknown })._host)
    await once(client, 'close')
    context.record('_host', (client as unknown as { _host: unknown })._host)
  },
}
