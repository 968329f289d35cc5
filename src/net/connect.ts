import dns from 'node:dns'
import nodeNet from 'node:net'
import timers from 'node:timers'
import { defaultStack, type ErrorCode } from '../stack/index.ts'
import { validateBoolean, validateFunction, validateInt32, validateNumber, validatePort } from './args.ts'
import {
  addressError,
  allAttemptsFailed,
  connectionTimeout,
  invalidAddress,
  invalidFamily,
  invalidType,
  type LocalEnd,
  type SystemError,
} from './errors.ts'
import type { Handle } from './handle.ts'
import {
  kConnected,
  kHandle,
  kRenew,
  kStack,
  kState,
  type SocketInternals,
  type SocketState,
  type TcpTarget,
} from './internals.ts'
import type { TcpOptions } from './types.ts'

// From the options of `connect` to a connection: the lookup of the name, one attempt, or several one after the other
// (rfc8305, as far as `net` goes: addresses of the two families in turn, one attempt alive at a time).

const { setTimeout, clearTimeout } = timers
const { nextTick } = process

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

  const target: Target = { port: Number(port) | 0, localAddress, localPort, tcp: options.tcp }
  const literal = nodeNet.isIP(host) as 0 | Family
  if (literal !== 0) {
    nextTick(() => {
      if (socket.connecting) connectOnce(socket, target, host, literal)
    })
    return
  }

  if (options.lookup != null) validateFunction(options.lookup, 'options.lookup')
  const lookup = (options.lookup ?? dns.lookup) as (
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
    const [first] = addresses
    if (!nodeNet.isIP(first.address)) failSoon(socket, invalidAddress(first.address))
    else failSoon(socket, invalidFamily(first.family, options.host, options.port))
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
  return (socket[kHandle] as Handle).connect(stack, request, done)
}

function describeAttempt(target: Target, candidate: Candidate, localAddress: string | undefined): Attempt {
  const { address, family } = candidate
  const { localPort } = target
  if (!localAddress && localPort) localAddress = family === 4 ? '0.0.0.0' : '::'
  return { address, family, localAddress, localPort }
}

/** Whether what the stack refused at once is the local end, which `net` binds before it connects. */
function isBindError(code: ErrorCode, target: Target): boolean {
  if (code === 'EADDRINUSE') return Boolean(target.localAddress || target.localPort)
  // Without an address the port alone was bound, and it is the pair of ends that is not available.
  return code === 'EADDRNOTAVAIL' && Boolean(target.localAddress)
}

function bindError(code: ErrorCode, attempt: Attempt): SystemError {
  return addressError(code, 'bind', attempt.localAddress as string, attempt.localPort)
}

/** What the stack refused at once. */
function refusedAtOnce(socket: SocketInternals, target: Target, attempt: Attempt, code: ErrorCode): SystemError {
  const name = (socket[kHandle] as Handle).localName()
  const local: LocalEnd = name ?? {
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

/** One attempt, and its error is the socket's. */
function connectOnce(socket: SocketInternals, target: Target, address: string, family: Family): void {
  const attempt = describeAttempt(target, { address, family }, target.localAddress)
  const code = startAttempt(socket, target, attempt, (failure) => {
    if (failure === null) {
      socket[kConnected]()
      return
    }
    const error = attemptFailed(target, attempt, failure)
    socket.connecting = false
    socket.emit('connectionAttemptFailed', address, target.port, family, error)
    socket.destroy(error)
  })
  if (code !== null && isBindError(code, target)) {
    socket.destroy(bindError(code, attempt))
    return
  }
  socket.emit('connectionAttempt', address, target.port, family)
  if (code !== null && socket.connecting) socket.destroy(refusedAtOnce(socket, target, attempt, code))
}

/** Also when the socket is destroyed: no timer of an attempt outlives it. */
export function clearAttemptTimer(state: SocketState): void {
  if (state.attemptTimer === null) return
  clearTimeout(state.attemptTimer)
  state.attemptTimer = null
}

/** Happy eyeballs as `net` does it: the next address when one fails, or is silent for `timeout` milliseconds. */
class Attempts {
  readonly #socket: SocketInternals
  readonly #target: Target
  readonly #candidates: Candidate[]
  readonly #timeout: number
  readonly #errors: SystemError[] = []
  #tried = 0

  constructor(socket: SocketInternals, target: Target, candidates: Candidate[], timeout: number) {
    this.#socket = socket
    this.#target = target
    this.#candidates = candidates
    this.#timeout = timeout
  }

  next(): void {
    const socket = this.#socket
    clearAttemptTimer(socket[kState])
    const target = this.#target
    if (!socket.connecting) return
    if (this.#tried === this.#candidates.length) {
      socket.destroy(this.#errors.length === 0 ? connectionTimeout() : allAttemptsFailed(this.#errors))
      return
    }
    const candidate = this.#candidates[this.#tried++]
    const { address, family } = candidate
    const last = this.#tried === this.#candidates.length
    const handle = this.#tried === 1 ? (socket[kHandle] as Handle) : socket[kRenew]()
    const attempt = describeAttempt(target, candidate, undefined)
    const code = startAttempt(socket, target, attempt, (failure) => this.#settled(attempt, failure))
    if (code !== null && isBindError(code, target)) {
      this.#errors.push(bindError(code, attempt))
      this.next()
      return
    }
    socket.emit('connectionAttempt', address, target.port, family)
    if (!socket.connecting) return
    socket.autoSelectFamilyAttemptedAddresses.push(`${address}:${target.port}`)
    if (code !== null) {
      this.#failed(attempt, refusedAtOnce(socket, target, attempt, code))
      return
    }
    // The last one has all the time that TCP gives it.
    if (!last) socket[kState].attemptTimer = setTimeout(() => this.#timedOut(attempt, handle), this.#timeout)
  }

  #settled(attempt: Attempt, failure: ErrorCode | null): void {
    clearAttemptTimer(this.#socket[kState])
    if (failure === null) this.#socket[kConnected]()
    else this.#failed(attempt, attemptFailed(this.#target, attempt, failure))
  }

  #failed(attempt: Attempt, error: SystemError): void {
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
