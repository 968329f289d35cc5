import { format, getSystemErrorMap, inspect } from 'node:util'
import { CloseReason, type ErrorCode } from '../stack/index.ts'

// What the stack says by a number or a code becomes the very error that Node emits: same code, errno, message and own keys
// in the same order. Nothing below `net` makes an `Error`.

/** An error of a system call, as `net` emits it. */
export interface SystemError extends Error {
  code: string
  /** Negative, as libuv numbers it on this platform. */
  errno: number
  syscall: string
  address?: string
  port?: number
  localAddress?: string
  localPort?: number
}

interface SystemErrorEntry {
  errno: number
  text: string
}

let systemErrors: Map<string, SystemErrorEntry> | null = null

/** Number and text of a system error by its name; built on first need, as few programs ever see one. */
function systemErrorEntry(code: string): SystemErrorEntry {
  if (systemErrors === null) {
    systemErrors = new Map()
    for (const [errno, [name, text]] of getSystemErrorMap()) systemErrors.set(name, { errno, text })
  }
  return systemErrors.get(code) ?? { errno: 0, text: 'unknown error' }
}

/** `read ECONNRESET`: an established connection failed, or `write` and `shutdown` were refused. */
export function ioError(code: ErrorCode, syscall: string): SystemError {
  const error = new Error(`${syscall} ${code}`) as SystemError
  error.errno = systemErrorEntry(code).errno
  error.code = code
  error.syscall = syscall
  return error
}

/** `setsockopt ENOENT: …`: an option of the connection that the stack refuses, and why. */
export function optionError(code: ErrorCode, text: string): SystemError {
  const error = new Error(`setsockopt ${code}: ${text}`) as SystemError
  error.errno = systemErrorEntry(code).errno
  error.code = code
  error.syscall = 'setsockopt'
  return error
}

/** Where a failed call came from, or would have: the ` - Local (address:port)` of its message. */
export interface LocalEnd {
  address?: string | undefined
  port?: number
}

/** `connect ECONNREFUSED 127.0.0.1:1 - Local (…)`, or the same of `bind`. */
export function addressError(
  code: ErrorCode,
  syscall: 'connect' | 'bind',
  address: string,
  port: number | undefined,
  local?: LocalEnd,
): SystemError {
  const where = port ? `${address}:${port}` : address
  const from = local ? ` - Local (${local.address}:${local.port})` : ''
  const error = new Error(`${syscall} ${code} ${where}${from}`) as SystemError
  error.errno = systemErrorEntry(code).errno
  error.code = code
  error.syscall = syscall
  error.address = address
  if (port) error.port = port
  return error
}

/** `listen EADDRINUSE: address already in use :::80` */
export function listenError(code: ErrorCode, address: string, port: number): SystemError {
  const { errno, text } = systemErrorEntry(code)
  const where = port > 0 ? `${address}:${port}` : address
  const error = new Error(`listen ${code}: ${text} ${where}`) as SystemError
  error.code = code
  error.errno = errno
  error.syscall = 'listen'
  error.address = address
  if (port > 0) error.port = port
  return error
}

/** The code of an attempt to connect that came to nothing. */
export function connectCode(reason: CloseReason): ErrorCode {
  switch (reason) {
    case CloseReason.Refused:
      return 'ECONNREFUSED'
    case CloseReason.NetUnreachable:
      return 'ENETUNREACH'
    case CloseReason.HostUnreachable:
      return 'EHOSTUNREACH'
    case CloseReason.TimedOut:
    case CloseReason.ConnectTimedOut:
      return 'ETIMEDOUT'
    case CloseReason.Reset:
      return 'ECONNRESET'
    default:
      return 'ECONNABORTED'
  }
}

/** The code that ends an established connection; null: it ended well. */
export function closeCode(reason: CloseReason): ErrorCode | null {
  switch (reason) {
    case CloseReason.None:
    case CloseReason.Normal:
      return null
    case CloseReason.TimedOut:
    case CloseReason.ConnectTimedOut:
      return 'ETIMEDOUT'
    case CloseReason.NetUnreachable:
      return 'ENETUNREACH'
    case CloseReason.HostUnreachable:
      return 'EHOSTUNREACH'
    // Refused: three ICMP refusals on an established connection, so the peer is gone.
    case CloseReason.Refused:
    case CloseReason.Reset:
      return 'ECONNRESET'
    // The stack itself let go, as when Linux kills a socket for `ss -K`.
    default:
      return 'ECONNABORTED'
  }
}

/** The peer's FIN ended the stream, and the application writes on. */
export function endedByPeer(): Error {
  const error = new Error('This socket has been ended by the other party') as NodeJS.ErrnoException
  error.code = 'EPIPE'
  return error
}

// Errors of Node's own code book. -------------------------------------------------------------------------------------

/**
 * Dresses an error as Node does: `code` is an own key, and the stack begins with `TypeError [CODE]: …` while `name` stays
 * plain.
 */
function coded<E extends Error>(error: E, code: string): E & { code: string } {
  const plain = error.name
  const result = error as E & { code: string }
  result.name = `${plain} [${code}]`
  Error.captureStackTrace(result, coded)
  // The header of a stack is written when it is first read.
  void result.stack
  delete (result as { name?: string }).name
  result.code = code
  Object.defineProperty(result, 'toString', {
    value: () => `${plain} [${code}]: ${error.message}`,
    enumerable: false,
    writable: true,
    configurable: true,
  })
  return result
}

export const socketClosed = () => coded(new Error('Socket is closed'), 'ERR_SOCKET_CLOSED')

export const closedBeforeConnection = () =>
  coded(new Error('Socket closed before the connection was established'), 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION')

/** Only TCP can be reset. */
export const invalidHandleType = () =>
  coded(new TypeError('This handle type cannot be sent'), 'ERR_INVALID_HANDLE_TYPE')

/** A `blockList` has the address. */
export const blocked = (address: string) =>
  coded(new Error(`IP(${address}) is blocked by net.BlockList`), 'ERR_IP_BLOCKED')

/** A `BoundSocket` that a server or a socket took over, or that was closed. */
export const handleAdopted = () =>
  coded(new Error('The bound socket has already been adopted by a server or socket'), 'ERR_SOCKET_HANDLE_ADOPTED')

export const connectionTimeout = () => coded(new Error('Socket connection timeout'), 'ERR_SOCKET_CONNECTION_TIMEOUT')

export const alreadyListening = () =>
  coded(new Error('Listen method has been called more than once without closing.'), 'ERR_SERVER_ALREADY_LISTEN')

export const serverNotRunning = () => coded(new Error('Server is not running.'), 'ERR_SERVER_NOT_RUNNING')

export const invalidAddress = (address: unknown) =>
  coded(new TypeError(format('Invalid IP address: %s', address)), 'ERR_INVALID_IP_ADDRESS')

export function invalidFamily(family: unknown, host: string | undefined, port: unknown): Error {
  const error = new RangeError(`Invalid address family: ${family} ${host}:${port}`)
  return Object.assign(coded(error, 'ERR_INVALID_ADDRESS_FAMILY'), { host, port })
}

export function missingArguments(...names: string[]): Error {
  const list = names.map((name) => `"${name}"`).join(' or ')
  return coded(new TypeError(`The ${list} argument must be specified`), 'ERR_MISSING_ARGS')
}

/** What sluice does not serve, by the reason; the code is the one that Node has for such things. */
export const notAvailable = (what: string) => coded(new TypeError(what), 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM')

/** Every address of a happy-eyeballs connect failed: `errors`, in the order of the attempts. */
export function allAttemptsFailed(errors: readonly (Error & { code: string })[]): AggregateError {
  const error = new AggregateError(errors) as AggregateError & { code?: string }
  error.code = errors[0]?.code
  return error
}

export const badPort = (name: string, port: unknown) =>
  coded(new RangeError(`${name} should be >= 0 and < 65536. Received ${describe(port)}.`), 'ERR_SOCKET_BAD_PORT')

export const outOfRange = (name: string, range: string, value: unknown) =>
  coded(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`),
    'ERR_OUT_OF_RANGE',
  )

/** `expected` as Node words it: `of type number`, `one of type number or string`, `an instance of AbortSignal`. */
export function invalidType(name: string, expected: string, value: unknown): Error {
  const kind = name.includes('.') ? 'property' : 'argument'
  return coded(
    new TypeError(`The "${name}" ${kind} must be ${expected}. Received ${describe(value)}`),
    'ERR_INVALID_ARG_TYPE',
  )
}

export function invalidValue(name: string, value: unknown, why: string): Error {
  const kind = name.includes('.') ? 'property' : 'argument'
  let shown = inspect(value)
  if (shown.length > 128) shown = `${shown.slice(0, 128)}...`
  return coded(new TypeError(`The ${kind} '${name}' ${why}. Received ${shown}`), 'ERR_INVALID_ARG_VALUE')
}

/** How Node's messages name a value that they did not expect. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') {
    const maker = value.constructor?.name
    return maker ? `an instance of ${maker}` : inspect(value, { depth: -1 })
  }
  if (typeof value !== 'string') return `type ${typeof value} (${inspect(value)})`
  const shown = value.length > 28 ? `${value.slice(0, 25)}...` : value
  return `type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`
}
