import { once } from 'node:events'
import { alone, type Context, type Programs, type Socket } from '../program.ts'

// Names: the lookup, its answers good and bad, and happy eyeballs over what it came to.

type Address = { address: string; family: number }
type Answer = (error: Error | null, address?: unknown, family?: unknown) => void

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

/** Connects to a name that `addresses` stand for, and records all of it. */
async function connectTo(
  context: Context,
  addresses: readonly Address[] | unknown,
  options: object = {},
  close = true,
): Promise<void> {
  const { listen, net, watch, next } = context
  const { server, port } = await listen({}, (peer) => peer.end())
  const lookup = answering(context, null, addresses)
  const client = watch(
    net.connect({ port, host: 'a.name', lookup, autoSelectFamily: true, ...options } as never),
    'client',
  )
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
    const { listen, net, watch } = context
    const { server, port } = await listen({}, (peer) => peer.end())
    const lookup = answering(context, null, '127.0.0.1', 4)
    const client = watch(net.connect({ port, host: 'a.name', lookup, autoSelectFamily: false }), 'client')
    client.resume()
    await once(client, 'close')
    context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
    server.close()
  },

  async 'a lookup that answers at once'(context) {
    const { listen, net, watch } = context
    const { server, port } = await listen({}, (peer) => peer.end())
    const lookup = answeringNow(context, null, '127.0.0.1', 4)
    const client = watch(net.connect({ port, host: 'a.name', lookup, autoSelectFamily: false }), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'a lookup that fails'(context) {
    const error = Object.assign(new Error('no such name'), { code: 'ENOTFOUND', hostname: 'a.name' })
    const lookup = answering(context, error)
    for (const autoSelectFamily of [false, true]) {
      const client = context.watch(context.net.connect({ port: 1, host: 'a.name', lookup, autoSelectFamily }), 'client')
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'a lookup that fails at once'(context) {
    const lookup = answeringNow(context, new Error('no such name'))
    for (const autoSelectFamily of [false, true]) {
      const client = context.watch(context.net.connect({ port: 1, host: 'a.name', lookup, autoSelectFamily }), 'client')
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
      const client = context.watch(
        context.net.connect({ port: 1, host: 'a.name', lookup, autoSelectFamily: false }),
        'client',
      )
      client.on('error', () => {})
      await context.next(client, 'close')
    }
  },

  async 'an answer of an unknown family'(context) {
    for (const family of [0, 5, undefined, 'IPv4', null]) {
      const lookup = answering(context, null, '127.0.0.1', family)
      const client = context.watch(
        context.net.connect({ port: 1, host: 'a.name', lookup, autoSelectFamily: false }),
        'client',
      )
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
    const { net, watch, next, turns } = context
    const client = watch(
      net.connect({
        port: 1,
        host: 'a.name',
        lookup: answering(context, null, '127.0.0.1', 4),
        autoSelectFamily: false,
      }),
      'client',
    )
    client.destroy()
    await next(client, 'close')
    await turns()
  },

  async 'destroyed while the lookup of all runs'(context) {
    const { net, watch, next, turns } = context
    const addresses = [{ address: '127.0.0.1', family: 4 }]
    const client = watch(
      net.connect({ port: 1, host: 'a.name', lookup: answering(context, null, addresses), autoSelectFamily: true }),
      'client',
    )
    client.destroy()
    await next(client, 'close')
    await turns()
  },

  async 'destroyed in the lookup listener'(context) {
    const { net, watch, next } = context
    const client = watch(
      net.connect({
        port: 1,
        host: 'a.name',
        lookup: answering(context, null, '127.0.0.1', 4),
        autoSelectFamily: false,
      }),
      'client',
    )
    client.on('lookup', () => client.destroy())
    await next(client, 'close')
  },

  'all: one address': (context) => connectTo(context, [{ address: '127.0.0.1', family: 4 }]),

  'all: the second answers': (context) =>
    connectTo(context, [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]),

  'all: the first answers': (context) =>
    connectTo(context, [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]),

  'all: families take turns': (context) =>
    connectTo(context, [
      { address: '::1', family: 6 },
      { address: '127.0.0.9', family: 4 },
      { address: '127.0.0.10', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]),

  'all: the same address twice': (context) =>
    connectTo(context, [
      { address: '::1', family: 6 },
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]),

  'all: some are no addresses': (context) =>
    connectTo(context, [
      { address: 'nonsense', family: 4 },
      { address: '127.0.0.1', family: 5 },
      { address: '127.0.0.1', family: 4 },
    ]),

  'all: none is an address': (context) => connectTo(context, [{ address: 'nonsense', family: 4 }]),

  'all: none has a family': (context) => connectTo(context, [{ address: '127.0.0.1', family: 5 }]),

  'all: no addresses at all': (context) => connectTo(context, [], {}, false),

  async 'all: one string in place of a list'(context) {
    await connectTo(context, '127.0.0.1')
  },

  async 'all: nobody answers'(context) {
    const { net, watch, freePort, next } = context
    const port = await freePort()
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]
    const client = watch(
      net.connect({ port, host: 'a.name', lookup: answering(context, null, addresses), autoSelectFamily: true }),
      'client',
    )
    client.on('error', () => {})
    await next(client, 'close')
    context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
  },

  async 'all: nobody answers, and writes wait'(context) {
    const { net, watch, freePort, next, recordIn } = context
    const port = await freePort()
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]
    const client = watch(
      net.connect({ port, host: 'a.name', lookup: answering(context, null, addresses), autoSelectFamily: true }),
      'client',
    )
    client.on('error', () => {})
    client.write('x', (error) => recordIn('client', 'written', error))
    await next(client, 'close')
  },

  async 'all: writes before connect arrive by the address that answers'(context) {
    const { listen, net, watch, turns } = context
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.resume()
    })
    const addresses = [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]
    const client = watch(
      net.connect({ port, host: 'a.name', lookup: answering(context, null, addresses), autoSelectFamily: true }),
      'client',
    )
    client.write('one')
    client.end('two')
    client.resume()
    const [peer] = (await once(server, 'connection')) as [Socket]
    await once(peer, 'data')
    await turns(10)
    client.destroy()
    peer.destroy()
    server.close()
  },

  'all: destroyed between attempts': (context) => {
    const { net, watch, freePort, next } = context
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]
    return freePort().then(async (port) => {
      const client = watch(
        net.connect({ port, host: 'a.name', lookup: answering(context, null, addresses), autoSelectFamily: true }),
        'client',
      )
      client.on('error', () => {})
      client.on('connectionAttemptFailed', () => client.destroy())
      await next(client, 'close')
      context.record('attempted', client.autoSelectFamilyAttemptedAddresses)
    })
  },

  'all: family 4 asks for one': (context) => connectTo(context, '127.0.0.1', { family: 4 }, true),

  'all: with a local port': async (context) => {
    const localPort = await context.freePort('local port')
    await connectTo(
      context,
      [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ],
      { localPort },
    )
  },

  'all: IPv6 first when the first usable is IPv6': (context) =>
    connectTo(context, [
      { address: 'nonsense', family: 4 },
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]),

  'the default can be switched off': alone(async (context) => {
    const { listen, net, watch } = context
    net.setDefaultAutoSelectFamily(false)
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = watch(
      net.connect({ port, host: 'a.name', lookup: answering(context, null, '127.0.0.1', 4) }),
      'client',
    )
    await once(client.resume(), 'close')
    server.close()
  }),

  async '_host is the name'(context) {
    const { net, record } = context
    const client = net.connect({ port: 1, host: 'a.name', lookup: answering(context, new Error('enough')) })
    client.on('error', () => {})
    record('_host', (client as unknown as { _host: unknown })._host)
    await once(client, 'close')
    record('_host', (client as unknown as { _host: unknown })._host)
  },
}
