import dns from 'node:dns'
import nodeNet from 'node:net'
import { defaultStack, type ErrorCode, type StackTimers } from '../stack/index.ts'
import { validateBoolean, validateFunction, validateHost, validateInt32, validateNumber, validatePort } from './args.ts'
import { clearTimeout, nextTick, setTimeout } from './at-start.ts'
import {
  addressError,
  allAttemptsFailed,
  blocked,
  connectionTimeout,
  invalidAddress,
  invalidFamily,
  invalidType,
  invalidValue,
  type LocalEnd,
  type SystemError,
} from './errors.ts'
import type { Handle } from './handle.ts'
import {
  kConnected,
  kHandle,
  kRenew,
  kRoute,
  kStack,
  kState,
  type SocketInternals,
  type TcpTarget,
} from './internals.ts'
import type { Way } from './route.ts'
import { checkTcpOptions } from './socket-tcp.ts'
import type { TcpOptions } from './types.ts'

// From the options of `connect` to a connection: the lookup of the name, one attempt, or several one after the other
// (rfc8305, as far as `net` goes: addresses of the two families in turn, one attempt alive at a time).

const nodeTimers = { setTimeout, clearTimeout }

/** What a socket times itself with: its stack's time, which in simulations is not Node's. */
export const timersOf = (socket: SocketInternals): StackTimers => socket[kStack]?.().setup.timers ?? nodeTimers

type Family = 4 | 6

/** What all attempts of one `connect` have in common. */
interface Target {
  readonly port: number
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly tcp: TcpOptions | undefined
}

interface Candidate {
  address: string
  family: Family
}

/** Checks the options, and throws what `net` throws; then looks up and connects, in later turns. */
export function lookupAndConnect(socket: SocketInternals, options: TcpTarget): void {
  const { localAddress, localPort, port } = options
  let { autoSelectFamily, autoSelectFamilyAttemptTimeout } = options
  const host = options.host || 'localhost'

  validateHost(host, 'options.host')
  const isBound = (socket[kHandle] as Handle).reservation !== null
  if (isBound && (localAddress !== undefined || localPort !== undefined)) {
    throw invalidValue('options', options, 'localAddress and localPort cannot be used with an adopted bound socket')
  }
  if (isBound) autoSelectFamily = false
  if (localAddress && !nodeNet.isIP(localAddress)) throw invalidAddress(localAddress)
  if (localPort) validateNumber(localPort, 'options.localPort')
  if (port !== undefined) {
    if (typeof port !== 'number' && typeof port !== 'string') {
      throw invalidType('options.port', 'one of type number or string', port)
    }
    validatePort(port)
  }
  if (autoSelectFamily != null) validateBoolean(autoSelectFamily, 'options.autoSelectFamily')
  else autoSelectFamily = nodeNet.getDefaultAutoSelectFamily()
  if (autoSelectFamilyAttemptTimeout != null) {
    validateInt32(autoSelectFamilyAttemptTimeout, 'options.autoSelectFamilyAttemptTimeout', 1)
    autoSelectFamilyAttemptTimeout = Math.max(10, autoSelectFamilyAttemptTimeout)
  } else {
    autoSelectFamilyAttemptTimeout = nodeNet.getDefaultAutoSelectFamilyAttemptTimeout()
  }

  checkTcpOptions(socket[kStack] ?? defaultStack, options.tcp)
  const target: Target = { port: Number(port) | 0, localAddress, localPort, tcp: options.tcp }
  const literal = nodeNet.isIP(host) as 0 | Family
  if (literal !== 0 && isBound) {
    // Its local end is known when the call returns.
    connectOnce(socket, target, host, literal)
    return
  }
  if (literal !== 0) {
    nextTick(() => {
      if (socket.connecting) connectOnce(socket, target, host, literal)
    })
    return
  }

  if (options.lookup != null) validateFunction(options.lookup, 'options.lookup')
  const lookup = (options.lookup ?? socket[kStack]?.().setup.lookup ?? dns.lookup) as (
    host: string,
    options: dns.LookupOptions,
    callback: (...result: never[]) => void,
  ) => void
  const query: dns.LookupOptions = { family: familyNumber(options.family), hints: options.hints || 0 }
  const eitherFamily = query.family !== 4 && query.family !== 6
  if (process.platform !== 'win32' && eitherFamily && query.hints === 0) query.hints = dns.ADDRCONFIG
  socket._host = host

  if (eitherFamily && !localAddress && autoSelectFamily) {
    query.all = true
    const timeout = autoSelectFamilyAttemptTimeout
    lookup(host, query, (error: Error | null, addresses: dns.LookupAddress[]) => {
      onAddresses(socket, target, options, host, timeout, error, addresses)
    })
    return
  }
  lookup(host, query, (error: Error | null, address: string, family: number) => {
    onAddress(socket, target, options, host, error, address, family)
  })
}

function familyNumber(family: unknown): number | undefined {
  if (family === 'IPv4') return 4
  if (family === 'IPv6') return 6
  return family as number | undefined
}

function isFamily(family: unknown): family is Family {
  return family === 4 || family === 6
}

/** Whoever called `connect` may not have attached listeners yet: its errors come a tick later at the earliest. */
function failSoon(socket: SocketInternals, error: Error): void {
  nextTick(() => socket.destroy(error))
}

/** The one address that a lookup without `all` came to. */
function onAddress(
  socket: SocketInternals,
  target: Target,
  options: TcpTarget,
  host: string,
  error: Error | null,
  address: string,
  family: number,
): void {
  socket.emit('lookup', error as Error, address, family, host)
  // Destroyed meanwhile, or by a listener.
  if (!socket.connecting) return
  if (error) failSoon(socket, error)
  else if (!nodeNet.isIP(address)) failSoon(socket, invalidAddress(address))
  else if (!isFamily(family)) failSoon(socket, invalidFamily(family, options.host, options.port))
  else {
    socket._unrefTimer()
    connectOnce(socket, target, address, family)
  }
}

/** All addresses that a lookup came to. */
function onAddresses(
  socket: SocketInternals,
  target: Target,
  options: TcpTarget,
  host: string,
  timeout: number,
  error: Error | null,
  addresses: dns.LookupAddress[],
): void {
  if (!socket.connecting) return
  if (error) {
    socket.emit('lookup', error, undefined as never, undefined as never, host)
    failSoon(socket, error)
    return
  }
  // The family of the first usable address goes first, and the two take turns.
  const preferred: Candidate[] = []
  const others: Candidate[] = []
  for (const { address, family } of addresses) {
    socket.emit('lookup', error as unknown as Error, address, family, host)
    if (!socket.connecting) return
    if (!nodeNet.isIP(address) || !isFamily(family)) continue
    const list = preferred.length === 0 || preferred[0].family === family ? preferred : others
    if (!list.some((known) => known.address === address)) list.push({ address, family })
  }
  if (preferred.length === 0) {
    const { address, family } = addresses[0]
    if (!nodeNet.isIP(address)) failSoon(socket, invalidAddress(address))
    else failSoon(socket, invalidFamily(family, options.host, options.port))
    return
  }
  const candidates: Candidate[] = []
  for (let i = 0; i < Math.max(preferred.length, others.length); i++) {
    if (i < preferred.length) candidates.push(preferred[i])
    if (i < others.length) candidates.push(others[i])
  }
  socket._unrefTimer()
  if (candidates.length === 1) {
    connectOnce(socket, target, candidates[0].address, candidates[0].family)
    return
  }
  socket.autoSelectFamilyAttemptedAddresses = []
  new Attempts(socket, target, candidates, timeout).next()
}

/** How one attempt began. */
interface Attempt {
  readonly address: string
  readonly family: Family
  /** The address bound to: what the options say, or the wildcard if they give a port only. */
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
}

function startAttempt(
  socket: SocketInternals,
  target: Target,
  attempt: Attempt,
  done: (code: ErrorCode | null) => void,
): ErrorCode | null {
  const stack = (socket[kStack] ?? defaultStack)()
  const request = { ...target.tcp, address: attempt.address, port: target.port } as Parameters<Handle['connect']>[1]
  if (target.localAddress) request.localAddress = target.localAddress
  if (target.localPort) request.localPort = target.localPort
  const handle = socket[kHandle] as Handle
  const way = socket[kRoute]?.way?.(socket._host ?? attempt.address, attempt.address, target.port) ?? null
  if (way === null) return handle.connect(stack, request, done)
  openWay(socket, handle, way, request, done)
  return null
}

/** An attempt by a way that has to be opened first. */
function openWay(
  socket: SocketInternals,
  handle: Handle,
  way: Way,
  request: Parameters<Handle['connect']>[1],
  done: (code: ErrorCode | null) => void,
): void {
  const { localAddress, localPort } = request
  let stands = false
  socket.once('close', () => {
    // Once it stands, the two hosts close it between them.
    if (!stands) way.close()
  })
  way.open({ localAddress, localPort }, (failure, stack, address) => {
    // Given up meanwhile.
    if (handle.user === null) way.close()
    else if (failure !== null || stack === undefined) done(failure)
    else {
      const code = handle.connect(stack, { ...request, localAddress: address }, (code) => {
        stands = code === null
        if (!stands) way.close()
        done(code)
      })
      if (code !== null) done(code)
      else way.began(handle.localName()?.port ?? 0)
    }
  })
}

function describeAttempt(target: Target, candidate: Candidate, localAddress: string | undefined): Attempt {
  const { address, family } = candidate
  const { localPort } = target
  if (!localAddress && localPort) localAddress = family === 4 ? '0.0.0.0' : '::'
  return { address, family, localAddress, localPort }
}

/**
 * Tells of the attempt; false if a listener destroyed the socket. `net` binds, announces, and connects: the stack binds and connects in one,
 * so an attempt that binds is begun when it is announced, and any other is not: it has no local address yet.
 */
function announceAttempt(socket: SocketInternals, target: Target, attempt: Attempt): boolean {
  const { address, family, localAddress, localPort } = attempt
  if (isBound(target)) {
    const port = socket[kHandle]?.localName()?.port ?? localPort
    socket._sockname ??= { address: localAddress, family: family === 4 ? 'IPv4' : 'IPv6', port }
  }
  socket.emit('connectionAttempt', address, target.port, family)
  return socket.connecting
}

function isBound({ localAddress, localPort }: Target): boolean {
  return Boolean(localAddress || localPort)
}

/** Whether what the stack refused at once is the local end, which `net` binds before it connects. */
function isBindError(code: ErrorCode, target: Target): boolean {
  if (code === 'EADDRINUSE') return isBound(target)
  // Without an address the port alone was bound, and it is the pair of ends that is not available.
  return (code === 'EADDRNOTAVAIL' || code === 'EINVAL') && Boolean(target.localAddress)
}

function bindError(code: ErrorCode, attempt: Attempt): SystemError {
  return addressError(code, 'bind', attempt.localAddress as string, attempt.localPort)
}

/** What the stack refused at once. */
function refusedAtOnce(socket: SocketInternals, target: Target, attempt: Attempt, code: ErrorCode): SystemError {
  const local: LocalEnd = socket._sockname ??
    (socket[kHandle] as Handle).localName() ?? {
      address: attempt.localAddress ?? (attempt.family === 4 ? '0.0.0.0' : '::'),
      port: attempt.localPort ?? 0,
    }
  return addressError(code, 'connect', attempt.address, target.port, local)
}

/** What became of an attempt that had begun. */
function attemptFailed(target: Target, attempt: Attempt, code: ErrorCode): SystemError {
  const { address, localAddress, localPort } = attempt
  if (!localAddress || !localPort) return addressError(code, 'connect', address, target.port)
  const error = addressError(code, 'connect', address, target.port, { address: localAddress, port: localPort })
  error.localAddress = localAddress
  error.localPort = localPort
  return error
}

function isBlocked({ blockList }: SocketInternals, address: string, family: Family): boolean {
  return blockList?.check(address, family === 4 ? 'ipv4' : 'ipv6') === true
}

/** One attempt, and its error is the socket's. */
function connectOnce(socket: SocketInternals, target: Target, address: string, family: Family): void {
  if (isBlocked(socket, address, family)) {
    socket.emit('connectionAttempt', address, target.port, family)
    socket.destroy(blocked(address))
    return
  }
  const attempt = describeAttempt(target, { address, family }, target.localAddress)
  if (!isBound(target) && !announceAttempt(socket, target, attempt)) return
  const code = startAttempt(socket, target, attempt, (failure) => {
    if (failure === null) {
      socket[kConnected]()
      return
    }
    const error = attemptFailed(target, attempt, failure)
    socket.connecting = false
    socket._sockname = null
    socket.emit('connectionAttemptFailed', address, target.port, family, error)
    socket.destroy(error)
  })
  if (code !== null && isBindError(code, target)) {
    socket.destroy(bindError(code, attempt))
    return
  }
  if (isBound(target) && !announceAttempt(socket, target, attempt)) return
  if (code !== null) socket.destroy(refusedAtOnce(socket, target, attempt, code))
}

/** Also when the socket is destroyed: no timer of an attempt outlives it. */
export function clearAttemptTimer(socket: SocketInternals): void {
  const state = socket[kState]
  if (state.attemptTimer === null) return
  timersOf(socket).clearTimeout(state.attemptTimer)
  state.attemptTimer = null
}

/** Happy eyeballs as `net` does it: the next address when one fails, or is silent for `timeout` milliseconds. */
class Attempts {
  readonly #socket: SocketInternals
  readonly #target: Target
  readonly #candidates: Candidate[]
  readonly #timeout: number
  readonly #errors: (Error & { code: string })[] = []
  #tried = 0
  #begun = false

  constructor(socket: SocketInternals, target: Target, candidates: Candidate[], timeout: number) {
    this.#socket = socket
    this.#target = target
    this.#candidates = candidates
    this.#timeout = timeout
  }

  next(): void {
    const socket = this.#socket
    clearAttemptTimer(socket)
    const target = this.#target
    if (!socket.connecting) return
    if (this.#tried === this.#candidates.length) {
      socket.destroy(this.#errors.length === 0 ? connectionTimeout() : allAttemptsFailed(this.#errors))
      return
    }
    const candidate = this.#candidates[this.#tried++]
    const { address, family } = candidate
    if (isBlocked(socket, address, family)) {
      this.#failed(candidate, blocked(address))
      return
    }
    const last = this.#tried === this.#candidates.length
    const handle = this.#begun ? socket[kRenew]() : (socket[kHandle] as Handle)
    this.#begun = true
    const attempt = describeAttempt(target, candidate, undefined)
    if (!isBound(target) && !announceAttempt(socket, target, attempt)) return
    const code = startAttempt(socket, target, attempt, (failure) => this.#settled(attempt, failure))
    if (code !== null && isBindError(code, target)) {
      this.#errors.push(bindError(code, attempt))
      this.next()
      return
    }
    if (isBound(target) && !announceAttempt(socket, target, attempt)) return
    socket.autoSelectFamilyAttemptedAddresses.push(`${address}:${target.port}`)
    if (code !== null) {
      this.#failed(attempt, refusedAtOnce(socket, target, attempt, code))
      return
    }
    // The last one has all the time that TCP gives it.
    if (last) return
    socket[kState].attemptTimer = timersOf(socket).setTimeout(() => this.#timedOut(attempt, handle), this.#timeout)
  }

  #settled(attempt: Attempt, failure: ErrorCode | null): void {
    clearAttemptTimer(this.#socket)
    if (failure === null) this.#socket[kConnected]()
    else this.#failed(attempt, attemptFailed(this.#target, attempt, failure))
  }

  #failed(attempt: Candidate, error: Error & { code: string }): void {
    this.#errors.push(error)
    this.#socket.emit('connectionAttemptFailed', attempt.address, this.#target.port, attempt.family, error)
    this.next()
  }

  #timedOut(attempt: Attempt, handle: Handle): void {
    const { address, family } = attempt
    const socket = this.#socket
    if (!socket.connecting) return
    socket.emit('connectionAttemptTimeout', address, this.#target.port, family)
    this.#errors.push(attemptFailed(this.#target, attempt, 'ETIMEDOUT'))
    handle.close()
    this.next()
  }
}
