import { once } from 'node:events'
import { Duplex, Readable, Writable } from 'node:stream'
import { inherits, inspect } from 'node:util'
import type { Context, Programs, Server, Socket } from '../program.ts'

// What the module, its classes and their instances look like to code that looks.

type Anything = Record<string | symbol, unknown>

/** What a class of ours has beyond Node's is its own affair; what Node's has must be there, and look the same. */
const DOCUMENTED_SOCKET = [
  'connect',
  'setTimeout',
  'setNoDelay',
  'setKeepAlive',
  'address',
  'ref',
  'unref',
  'pause',
  'resume',
  'read',
  'write',
  'end',
  'destroySoon',
  'resetAndDestroy',
  '_read',
  '_final',
  '_destroy',
  '_write',
  '_writev',
  '_writeGeneric',
  '_getsockname',
  '_getpeername',
  '_onTimeout',
  '_unrefTimer',
  '_reset',
]
const SOCKET_GETTERS = [
  'pending',
  'readyState',
  'bufferSize',
  'bytesRead',
  'bytesWritten',
  'remoteAddress',
  'remoteFamily',
  'remotePort',
  'localAddress',
  'localFamily',
  'localPort',
  '_connecting',
  '_bytesDispatched',
  '_handle',
]
const DOCUMENTED_SERVER = [
  'listen',
  'address',
  'close',
  'getConnections',
  'ref',
  'unref',
  '_emitCloseIfDrained',
  '_listen2',
  '_setupWorker',
]

/** What comes of setting properties of a socket. */
function setEach({ net, attempt }: Context, names: readonly string[]): void {
  const socket = new net.Socket() as unknown as Anything
  for (const name of names) {
    attempt(name, () => {
      socket[name] = 'mine'
      return socket[name]
    })
  }
}

/** The methods that a prototype must have, and what they look like. */
function recordMethods({ record }: Context, proto: object, names: readonly string[]): void {
  for (const name of names) {
    const descriptor = Object.getOwnPropertyDescriptor(proto, name)
    const value = descriptor?.value as { length?: number } | undefined
    record(name, typeof value, value?.length, descriptor?.enumerable, descriptor?.writable, descriptor?.configurable)
  }
}

/** The same for its getters. */
function recordGetters({ record }: Context, proto: object, names: readonly string[]): void {
  for (const name of names) {
    const descriptor = Object.getOwnPropertyDescriptor(proto, name)
    record(name, typeof descriptor?.get, typeof descriptor?.set, descriptor?.enumerable, descriptor?.configurable)
  }
}

export const programs: Programs = {
  'names of the module'({ net, record }) {
    const names = [
      'connect',
      'createConnection',
      'createServer',
      'Socket',
      'Stream',
      'Server',
      'BlockList',
      'SocketAddress',
      'isIP',
      'isIPv4',
      'isIPv6',
      'getDefaultAutoSelectFamily',
      'setDefaultAutoSelectFamily',
      'getDefaultAutoSelectFamilyAttemptTimeout',
      'setDefaultAutoSelectFamilyAttemptTimeout',
      '_normalizeArgs',
      '_createServerHandle',
    ]
    const module = net as unknown as Anything
    for (const name of names) {
      const value = module[name] as { name?: string; length?: number } | undefined
      record(name, typeof value, value?.name, value?.length)
    }
    record('aliases', net.connect === net.createConnection, net.Stream === net.Socket)
  },

  'methods of Socket'(context) {
    recordMethods(context, context.net.Socket.prototype, DOCUMENTED_SOCKET)
  },

  'getters of Socket'(context) {
    const names = SOCKET_GETTERS.filter((name) => name !== '_handle')
    recordGetters(context, context.net.Socket.prototype, names)
  },

  'getters read on the prototype'({ net, attempt }) {
    const proto = net.Socket.prototype as unknown as Anything
    for (const name of SOCKET_GETTERS) attempt(name, () => proto[name])
    const server = net.Server.prototype as unknown as Anything
    attempt('listening', () => server.listening)
  },

  'methods of Server'(context) {
    recordMethods(context, context.net.Server.prototype, DOCUMENTED_SERVER)
    recordGetters(context, context.net.Server.prototype, ['listening'])
  },

  'classes and their ancestors'({ net, record }) {
    const socket = new net.Socket()
    const server = new net.Server()
    record(
      'socket',
      socket instanceof net.Socket,
      socket instanceof Duplex,
      socket instanceof Readable,
      socket instanceof Writable,
    )
    record(
      'prototypes',
      Object.getPrototypeOf(net.Socket) === Duplex,
      Object.getPrototypeOf(net.Socket.prototype) === Duplex.prototype,
    )
    record('server', server instanceof net.Server, socket.constructor === net.Socket, server.constructor === net.Server)
    record('lengths', net.Socket.length, net.Server.length, net.Socket.name, net.Server.name)
    record('tags', Object.prototype.toString.call(socket), String(socket), Object.prototype.toString.call(server))
  },

  'without new'({ net, record }) {
    record('Socket', (net.Socket as unknown as () => unknown)() instanceof net.Socket)
    record('Server', (net.Server as unknown as () => unknown)() instanceof net.Server)
    record('options', (net.Socket as unknown as (options: object) => Socket)({ allowHalfOpen: true }).allowHalfOpen)
  },

  async 'inherited the old way'({ net, record, listen, watch }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    function Old(this: Socket): void {
      net.Socket.call(this as never, { allowHalfOpen: false })
    }
    inherits(Old, net.Socket)
    const client = watch(new (Old as unknown as new () => Socket)(), 'client')
    record('instance', client instanceof net.Socket, client instanceof Old)
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  },

  async 'a server inherited the old way'({ net, record }) {
    function Old(this: Server): void {
      net.Server.call(this as never, ((peer: Socket) => peer.end('hello')) as never)
    }
    inherits(Old, net.Server)
    const server = new (Old as unknown as new () => Server)()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = net.connect((server.address() as { port: number }).port, '127.0.0.1').resume()
    await once(client, 'close')
    record('instance', server instanceof net.Server, client.bytesRead)
    server.close()
  },

  async 'inherited by class'({ net, record, listen }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    class Mine extends net.Socket {
      mine = 1
      override connect(...args: unknown[]): this {
        record('connect of mine', this.mine)
        return super.connect(...(args as [number, string]))
      }
    }
    const client = new Mine()
    record('instance', client instanceof net.Socket, client.constructor.name)
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  },

  async 'a class that overrides what streams call'({ net, record, listen }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    class Mine extends net.Socket {
      override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
        record('_destroy', error)
        super._destroy(error, callback)
      }
      override _final(callback: (error?: Error | null) => void): void {
        record('_final')
        super._final(callback)
      }
    }
    const client = new Mine()
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  },

  'own properties of a socket'({ net, record }) {
    const keys = Object.keys(new net.Socket()).filter((key) => !key.startsWith('_'))
    record('keys', keys)
  },

  'own properties of a server'({ net, record }) {
    record(
      'keys',
      Object.keys(net.createServer()).filter((key) => !key.startsWith('_')),
    )
  },

  'properties that only Node looks at'({ net, record }) {
    const socket = new net.Socket() as unknown as Anything
    for (const name of [
      '_hadError',
      '_parent',
      '_host',
      '_pendingData',
      '_pendingEncoding',
      '_server',
      'server',
      '_handle',
      '_peername',
      '_sockname',
      'connecting',
      'timeout',
      'encrypted',
      'authorized',
      'manualStart',
    ]) {
      record(name, name in socket, socket[name])
    }
  },

  'properties can be set'(context) {
    setEach(context, [
      'server',
      'parser',
      '_paused',
      '_httpMessage',
      'on',
      'addListener',
      'prependListener',
      'setEncoding',
      'encrypted',
      'timeout',
      'connecting',
      'allowHalfOpen',
      '_parent',
      '_server',
      'mine',
      'destroySoon',
    ])
  },

  'getters cannot be set'(context) {
    setEach(context, ['readyState', 'bytesRead', 'bytesWritten', 'remoteAddress', 'localPort', 'pending', 'bufferSize'])
  },

  async handles({ pair, record }) {
    const { client, peer, server } = await pair({ unwatched: true })
    const of = (socket: Socket): unknown => Boolean((socket as unknown as { _handle: unknown })._handle)
    record('handle', of(client), of(peer), of(server as never))
    client.destroy()
    record('destroyed', of(client))
    peer.resume()
  },

  'inspect says what it is'({ net, record }) {
    record('socket', inspect(new net.Socket(), { depth: -1 }), inspect(net.createServer(), { depth: -1 }))
    record('constructors', inspect(net.Socket).split('\n')[0], inspect(net.Server).split('\n')[0])
  },

  'inspect of the whole does not fail'({ net, record }) {
    record(
      'lengths',
      inspect(new net.Socket()).length > 100,
      inspect(net.createServer()).length > 100,
      JSON.stringify(Object.keys(net)).length > 10,
    )
  },

  'defaults of streams'({ net, record }) {
    const socket = new net.Socket()
    record(
      'marks',
      socket.readableHighWaterMark,
      socket.writableHighWaterMark,
      socket.readableObjectMode,
      socket.writableObjectMode,
    )
    record(
      'flags',
      socket.allowHalfOpen,
      socket.readable,
      socket.writable,
      socket.readableFlowing,
      socket.writableCorked,
      socket.readableLength,
    )
    const state = socket as unknown as { _writableState: Anything; _readableState: Anything }
    record(
      'states',
      state._writableState.decodeStrings,
      state._writableState.emitClose,
      state._readableState.emitClose,
      state._readableState.autoDestroy,
      state._writableState.defaultEncoding,
    )
    socket.destroy()
  },

  'readable and writable of the constructor'({ net, record }) {
    for (const options of [
      { readable: false },
      { writable: false },
      { readable: true, writable: true },
      { readable: false, writable: false },
    ]) {
      const socket = new net.Socket(options)
      record('options', options, socket.readable, socket.writable, socket.readyState)
    }
  },

  readyState({ net, record }) {
    const socket = new net.Socket()
    record('fresh', socket.readyState, socket.pending, socket.connecting)
    Object.assign(socket, { connecting: true })
    record('connecting', socket.readyState, socket.pending)
    Object.assign(socket, { connecting: false })
    socket.destroy()
    record('destroyed', socket.readyState, socket.pending)
  },

  'listeners of a fresh socket'({ net, record }) {
    const socket = new net.Socket()
    record('events', socket.eventNames(), socket.listenerCount('end'))
    record('server', net.createServer().eventNames())
  },

  'Symbol.hasInstance'({ net, record }) {
    record(
      'plain',
      ({} as unknown) instanceof net.Socket,
      (null as unknown) instanceof net.Socket,
      new Duplex() instanceof net.Socket,
    )
  },
}
