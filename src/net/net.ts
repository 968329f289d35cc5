import nodeNet from 'node:net'
import { Duplex } from 'node:stream'
import type { Stack } from '../stack/index.ts'
import { type Normalized, normalizeArgs } from './args.ts'
import { kStack } from './internals.ts'
import { Server as BaseServer } from './server.ts'
import { announceClient, Socket as BaseSocket } from './socket.ts'
import type {
  NetConnectOptions,
  Server,
  ServerConstructor,
  ServerOptions,
  Socket,
  SocketConstructor,
  SocketOptions,
  StackSource,
} from './types.ts'

/** `connect`, in the forms of `net`: what it returns is not connected yet. */
export interface ConnectFunction {
  (options: NetConnectOptions, connectionListener?: () => void): Socket
  (port: number, host?: string, connectionListener?: () => void): Socket
  (port: number, connectionListener?: () => void): Socket
  (path: string, connectionListener?: () => void): Socket
}

export interface CreateServerFunction {
  (connectionListener?: (socket: Socket) => void): Server
  (options?: ServerOptions, connectionListener?: (socket: Socket) => void): Server
}

/** What `import net from 'sluice'` gives, and `stack.net`: everything that `node:net` has. */
export interface Net {
  readonly connect: ConnectFunction
  readonly createConnection: ConnectFunction
  readonly createServer: CreateServerFunction
  readonly Socket: SocketConstructor
  readonly Stream: SocketConstructor
  readonly Server: ServerConstructor
  readonly BlockList: typeof nodeNet.BlockList
  readonly SocketAddress: typeof nodeNet.SocketAddress
  readonly isIP: typeof nodeNet.isIP
  readonly isIPv4: typeof nodeNet.isIPv4
  readonly isIPv6: typeof nodeNet.isIPv6
  readonly getDefaultAutoSelectFamily: typeof nodeNet.getDefaultAutoSelectFamily
  readonly setDefaultAutoSelectFamily: typeof nodeNet.setDefaultAutoSelectFamily
  readonly getDefaultAutoSelectFamilyAttemptTimeout: typeof nodeNet.getDefaultAutoSelectFamilyAttemptTimeout
  readonly setDefaultAutoSelectFamilyAttemptTimeout: typeof nodeNet.setDefaultAutoSelectFamilyAttemptTimeout
  readonly _normalizeArgs: (args: unknown[]) => unknown
}

/**
 * Makes the `net` of a stack; of the default stack, which begins with its first use, if none is given. Sockets and servers of all
 * of them are `instanceof` each other's `Socket` and `Server`. The defaults of happy eyeballs are those of `node:net`, its
 * command-line flags included.
 */
export function createNet(source?: StackSource): Net {
  const Socket = source === undefined ? BaseSocket : socketOf(source)
  const Server = source === undefined ? BaseServer : serverOf(source)

  function connect(...args: unknown[]): Socket {
    const normalized: Normalized<NetConnectOptions> = normalizeArgs(args)
    const [options] = normalized
    const socket = new Socket(options)
    announceClient(socket)
    if (options.timeout) socket.setTimeout(options.timeout)
    // Through the method, for it may have been patched.
    return (socket.connect as (normalized: unknown) => Socket)(normalized)
  }

  function createServer(options?: ServerOptions, connectionListener?: (socket: Socket) => void): Server {
    return new Server(options, connectionListener)
  }

  return {
    _normalizeArgs: normalizeArgs,
    BlockList: nodeNet.BlockList,
    SocketAddress: nodeNet.SocketAddress,
    connect: connect as ConnectFunction,
    createConnection: connect as ConnectFunction,
    createServer: createServer as CreateServerFunction,
    isIP: nodeNet.isIP,
    isIPv4: nodeNet.isIPv4,
    isIPv6: nodeNet.isIPv6,
    Server,
    Socket,
    Stream: Socket,
    getDefaultAutoSelectFamily: nodeNet.getDefaultAutoSelectFamily,
    setDefaultAutoSelectFamily: nodeNet.setDefaultAutoSelectFamily,
    getDefaultAutoSelectFamilyAttemptTimeout: nodeNet.getDefaultAutoSelectFamilyAttemptTimeout,
    setDefaultAutoSelectFamilyAttemptTimeout: nodeNet.setDefaultAutoSelectFamilyAttemptTimeout,
  }
}

const nets = new WeakMap<Stack, Net>()

/** The `net` of a stack, the same each time. */
export function netFor(stack: Stack): Net {
  let net = nets.get(stack)
  if (net === undefined) {
    net = createNet(() => stack)
    nets.set(stack, net)
  }
  return net
}

interface Stacked {
  [kStack]: StackSource | undefined
}

/** The same class, whose new sockets belong to a stack: both constructors share one prototype. */
function socketOf(source: StackSource): SocketConstructor {
  function Socket(this: Stacked, options?: SocketOptions): Socket | undefined {
    if (!(this instanceof BaseSocket)) return new Bound(options)
    BaseSocket.call(this, options)
    ;(this as Stacked)[kStack] ??= source
    return undefined
  }
  const Bound = Socket as unknown as SocketConstructor
  Socket.prototype = BaseSocket.prototype
  Object.setPrototypeOf(Socket, Duplex)
  return Bound
}

function serverOf(source: StackSource): ServerConstructor {
  function Server(
    this: Stacked,
    options?: ServerOptions,
    connectionListener?: (socket: Socket) => void,
  ): Server | undefined {
    if (!(this instanceof BaseServer)) return new Bound(options, connectionListener)
    BaseServer.call(this, options, connectionListener)
    ;(this as Stacked)[kStack] ??= source
    return undefined
  }
  const Bound = Server as unknown as ServerConstructor
  Server.prototype = BaseServer.prototype
  Object.setPrototypeOf(Server, Object.getPrototypeOf(BaseServer))
  return Bound
}
