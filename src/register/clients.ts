import nodeNet from 'node:net'
import type tls from 'node:tls'
import { debuglog } from 'node:util'
import type { NetConnectOptions } from '../net/index.ts'
import { getBuiltinModule, isAwaited, isLoaded, loadNow, whenLoaded } from './builtins.ts'
import type { Patches } from './patches.ts'
import { normalizeArgs, registration } from './state.ts'

type Connect = (...args: unknown[]) => nodeNet.Socket
type Options = nodeNet.TcpNetConnectOpts & { path?: string }
type TlsOptions = tls.ConnectionOptions & Options

const log = debuglog('sluice')

/** Functions that connect: those of `net`, `tls.connect`, and the copy that http's agent took. */
export function patchClients(patches: Patches): void {
  const connect = connectThrough(nodeNet.connect as Connect)
  const original = nodeNet.createConnection
  patches.replace(nodeNet, 'connect', connect)
  patches.replace(nodeNet, 'createConnection', connect)
  whenLoaded('tls', () => {
    const nodeTls = getBuiltinModule('tls')
    patches.replace(nodeTls, 'connect', secureConnectThrough(nodeTls.connect))
    patches.publish()
  })
  patchAgent(patches, connect, original)

  // Connections that were opened another way must not be used again.
  const forget = (): void => {
    for (const name of ['http', 'https'] as const) {
      if (!isLoaded(name)) continue
      const { globalAgent } = getBuiltinModule(name)
      for (const sockets of Object.values(globalAgent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
    }
  }
  forget()
  patches.add(forget)
}

/** What connects for `http`: a copy of `net.createConnection`, made when `http` is loaded; in newer releases a function that looks it up. */
function patchAgent(patches: Patches, connect: Connect, original: unknown): void {
  type Agent = { options: { proxyEnv?: object }; createConnection: Connect }
  const agent = (): Agent => getBuiltinModule('http').Agent.prototype as unknown as Agent

  if (isLoaded('http') && agent().createConnection === original) {
    patches.replace(agent(), 'createConnection', connect)
    return
  }
  patches.add(() => {
    if (isLoaded('http') && agent().createConnection === connect) agent().createConnection = original as Connect
  })
  if (!isAwaited('tls')) return
  whenLoaded('http', () => {
    const proto = agent()
    const { createConnection } = proto
    if (createConnection === connect || createConnection === original) return
    // A proxy may be one of https, to which Node's agent has its own way.
    patches.replace(proto, 'createConnection', function (this: Agent, ...args: unknown[]) {
      if (this.options.proxyEnv) loadNow('tls')
      return createConnection.apply(this, args)
    })
  })
}

function connectThrough(original: Connect): Connect {
  return function connect(...args) {
    const current = registration()
    if (current === null) return original(...args)
    const [options] = normalizeArgs<Options>(args)
    return isOurs(options) ? (current.net.connect as Connect)(...args) : original(...args)
  }
}

function isOurs({ path, host, port }: Options): boolean {
  if (path) return false
  const verdict = registration()?.rules.connects(host || 'localhost', Number(port))
  if (verdict === false) log('connect %s:%d: past sluice, as the rules say', host || 'localhost', port)
  return verdict !== false
}

/** `tls.connect` on a socket of ours. */
function secureConnectThrough(original: typeof tls.connect): typeof tls.connect {
  const node = original as (...args: unknown[]) => tls.TLSSocket
  function connect(...args: unknown[]): tls.TLSSocket {
    const current = registration()
    if (current === null) return node(...args)
    const [options, callback] = tlsArguments(args)
    if (options.socket || !isOurs(options)) return node(...args)
    const socket = current.net.connect(plainOptions(options))
    let failure: Error | null = null
    // Before the listener of the wrapper that Node puts around the socket.
    socket.once('error', (error) => {
      failure = error
    })
    const secure = node({ ...options, socket }, ...callback) as tls.TLSSocket & Secure
    secure.connecting = socket.connecting
    const emitError = secure._emitTLSError
    // An error of the connection ends the socket, as where TLS has a connection of its own; one of TLS is TLS's business.
    secure._emitTLSError = (error) => {
      if (error === failure) secure.destroy(error)
      else emitError.call(secure, error)
    }
    if (options.timeout) secure.setTimeout(options.timeout)
    tellOfConnecting(socket, secure)
    return secure
  }
  return connect as typeof tls.connect
}

/** `([port][, host][, options][, callback])` or `(options[, callback])`. */
function tlsArguments(args: unknown[]): [TlsOptions, [callback?: unknown]] {
  const [given, callback] = normalizeArgs<TlsOptions>(args)
  const further = args.slice(1, 3).find((arg) => typeof arg === 'object' && arg !== null)
  const options = typeof args[0] === 'object' ? given : { ...given, ...(further as TlsOptions) }
  return [options, typeof callback === 'function' ? [callback] : []]
}

/** What of the options is the connection's below TLS. */
function plainOptions(options: TlsOptions): NetConnectOptions {
  const { host, port, family, hints, lookup, localAddress, localPort, allowHalfOpen } = options
  const { autoSelectFamily, autoSelectFamilyAttemptTimeout, noDelay, keepAlive, keepAliveInitialDelay } = options
  return {
    ...{ host, port, family, hints, lookup, localAddress, localPort, allowHalfOpen },
    ...{ autoSelectFamily, autoSelectFamilyAttemptTimeout, noDelay, keepAlive, keepAliveInitialDelay },
  }
}

/** What Node keeps on a TLS socket. */
interface Secure {
  connecting: boolean
  _emitTLSError(error: Error): void
}

/** Of a connection that it makes itself, a TLS socket tells more than of one that it is given. */
function tellOfConnecting(socket: nodeNet.Socket, secure: tls.TLSSocket & Secure): void {
  socket.once('connect', () => {
    secure.connecting = false
    secure.emit('connect')
  })
  for (const event of ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'ready']) {
    socket.on(event, (...values: unknown[]) => secure.emit(event, ...values))
  }
}
