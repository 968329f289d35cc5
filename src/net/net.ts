import nodeNet from 'node:net'
import { Duplex } from 'node:stream'
import { above, type Stack } from '../stack/index.ts'
import { type Normalized, normalizeArgs } from './args.ts'
import { BlockList, type BlockListConstructor, SocketAddress, type SocketAddressConstructor } from './block-list.ts'
import { BoundSocket as BaseBoundSocket, boundSocketOf } from './bound-socket.ts'
import { kRoute, kStack } from './internals.ts'
import { announcesEveryConnect } from './node-release.ts'
import type { Route } from './route.ts'
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
  readonly BlockList: BlockListConstructor
  readonly SocketAddress: SocketAddressConstructor
  readonly isIP: typeof nodeNet.isIP
  readonly isIPv4: typeof nodeNet.isIPv4
  readonly isIPv6: typeof nodeNet.isIPv6
  readonly getDefaultAutoSelectFamily: typeof nodeNet.getDefaultAutoSelectFamily
  readonly setDefaultAutoSelectFamily: typeof nodeNet.setDefaultAutoSelectFamily
  readonly getDefaultAutoSelectFamilyAttemptTimeout: typeof nodeNet.getDefaultAutoSelectFamilyAttemptTimeout
  readonly setDefaultAutoSelectFamilyAttemptTimeout: typeof nodeNet.setDefaultAutoSelectFamilyAttemptTimeout
  readonly BoundSocket: typeof BaseBoundSocket
  readonly _normalizeArgs: (args: unknown[]) => unknown
}

/**
 * Makes the `net` of a stack; of the default stack, which begins with its first use, if none is given. Sockets and servers of all
 * of them are `instanceof` each other's `Socket` and `Server`. The defaults of happy eyeballs are those of `node:net`, its
 * command-line flags included. With a `route` its sockets go past the stack, by Node's own TCP, to where the route says.
 */
export function createNet(source?: StackSource, route?: Route): Net {
  const Socket = source === undefined && route === undefined ? BaseSocket : socketOf(source, route)
  const Server = source === undefined ? BaseServer : serverOf(source)
  const BoundSocket = source === undefined ? BaseBoundSocket : boundSocketOf(source)

  function connect(...args: unknown[]): Socket {
    const normalized: Normalized<NetConnectOptions> = normalizeArgs(args)
    const [options] = normalized
    const socket = new Socket(options)
    if (!announcesEveryConnect) announceClient(socket)
    if (options.timeout) socket.setTimeout(options.timeout)
    // Through the method, for it may have been patched.
    return (socket.connect as (normalized: unknown) => Socket)(normalized)
  }

  function createServer(options?: ServerOptions, connectionListener?: (socket: Socket) => void): Server {
    return new Server(options, connectionListener)
  }

  return inNodesOrder({
    _normalizeArgs: normalizeArgs,
    BlockList,
    SocketAddress,
    BoundSocket,
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
  })
}

/** The members as Node lists its own, those too that are nobody's business but its own, and then what is new to this Node. */
function inNodesOrder(ours: Net): Net {
  const members: Record<string, unknown> = {}
  for (const name of Object.keys(nodeNet)) {
    members[name] = name in ours ? ours[name as keyof Net] : nodeNet[name as keyof typeof nodeNet]
  }
  return Object.assign(members, ours) as Net
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

/** The stack that a socket or a listening server is of; undefined where it is the default one. */
export function stackOf(one: nodeNet.Socket | nodeNet.Server): Stack | undefined {
  return (one as unknown as Stacked)[kStack]?.()
}

above.netFor = netFor

declare module '../stack/stack.ts' {
  interface Stack {
    /** All of `net` on this stack, as `import net from 'sluice'` is all of it on the default one. */
    readonly net: Net
  }
}

interface Stacked {
  [kStack]: StackSource | undefined
  [kRoute]?: Route | undefined
}

/** The same class, whose new sockets belong to a stack: both constructors share one prototype. */
function socketOf(source: StackSource | undefined, route?: Route): SocketConstructor {
  function Socket(this: Stacked, options?: SocketOptions): Socket | undefined {
    if (!(this instanceof BaseSocket)) return new Bound(options)
    BaseSocket.call(this, options)
    ;(this as Stacked)[kStack] ??= source
    if (route !== undefined) this[kRoute] = route
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
