import nodeNet from 'node:net'
import { badPort, invalidType, invalidValue, outOfRange } from './errors.ts'
import { checksHost } from './node-release.ts'

// The many forms in which `connect` and `listen` are called, brought to one: options and a callback.

export type Callback = (...args: never[]) => void

/** What `connect` and `listen` make of their arguments. Marked, so that no layer does it twice. */
export type Normalized<Options> = [options: Options, callback: Callback | null] & { [kNormalized]?: true }

const { _normalizeArgs } = nodeNet as unknown as { _normalizeArgs?: (args: unknown[]) => object }

/**
 * Set on argument lists that were normalized before: `connect()` hands one to `Socket.prototype.connect`. Node's own, where it shows it, for
 * there are programs that normalize with one `net` and connect with the other.
 */
const kNormalized: unique symbol =
  (Object.getOwnPropertySymbols(_normalizeArgs?.([]) ?? {})[0] as never) ?? Symbol('normalizedArgs')

/** As `Number`, for what counts as a port or a backlog; false for the rest. */
export function toNumber(value: unknown): number | false {
  const number = Number(value)
  return number >= 0 ? number : false
}

/** A string that is no number names a Unix domain socket or a Windows pipe. */
export function isPipeName(value: unknown): value is string {
  return typeof value === 'string' && toNumber(value) === false
}

/**
 * `(options[, cb])`, `(path[, cb])` or `([port][, host][…][, cb])`. The options object given is handed on as it is, not copied:
 * `net` lets its callers see what it normalizes.
 */
export function normalizeArgs<Options extends object>(args: readonly unknown[]): Normalized<Options> {
  const first = args[0]
  let options: Record<string, unknown> = {}
  if (typeof first === 'object' && first !== null) {
    options = first as Record<string, unknown>
  } else if (isPipeName(first)) {
    options.path = first
  } else if (args.length > 0) {
    options.port = first
    if (typeof args[1] === 'string') options.host = args[1]
  }
  const last = args.at(-1)
  const normalized: Normalized<Options> = [options as Options, typeof last === 'function' ? (last as Callback) : null]
  normalized[kNormalized] = true
  return normalized
}

/** Whether `Socket.prototype.connect` was given one list that `normalizeArgs` made. */
export function isNormalized<Options>(args: readonly unknown[]): args is [Normalized<Options>] {
  return Array.isArray(args[0]) && kNormalized in args[0]
}

/** A port as Node accepts it: a number, or a string that says one in any notation. */
export function validatePort(port: unknown, name = 'Port'): void {
  const isNumeral = typeof port === 'number' || (typeof port === 'string' && port.trim().length > 0)
  const value = Number(port)
  if (!isNumeral || value !== value >>> 0 || value > 0xffff) throw badPort(name, port)
}

export function validateNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value)
}

export function validateBoolean(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidType(name, 'of type boolean', value)
}

export function validateString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw invalidType(name, 'of type string', value)
}

export function validateFunction(value: unknown, name: string): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') throw invalidType(name, 'of type function', value)
}

/** A whole number from `min` to `max`. */
export function validateInt32(value: unknown, name: string, min: number, max = 0x7fffffff): asserts value is number {
  validateNumber(value, name)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value)
}

export function validateSignal(value: unknown, name: string): asserts value is AbortSignal {
  if (value === null || typeof value !== 'object' || !('aborted' in value)) {
    throw invalidType(name, 'an instance of AbortSignal', value)
  }
}

/** The name of a host, which goes to C. */
export function validateHost(host: unknown, name: string): void {
  if (checksHost) validateString(host, name)
  if (typeof host === 'string' && host.includes('\0'))
    throw invalidValue(name, host, 'must be a string without null bytes')
}

/** The longest that a Node timer waits; longer ones would fire at once. */
const LONGEST_TIMER_MS = 0x7fffffff

/** Milliseconds for a timer, as `socket.setTimeout` takes them: too many become the most there can be, with a warning. */
export function timerDuration(msecs: unknown, name: string): number {
  validateNumber(msecs, name)
  if (msecs < 0 || !Number.isFinite(msecs)) throw outOfRange(name, 'a non-negative finite number', msecs)
  if (msecs <= LONGEST_TIMER_MS) return msecs
  process.emitWarning(
    `${msecs} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${LONGEST_TIMER_MS}.`,
    'TimeoutOverflowWarning',
  )
  return LONGEST_TIMER_MS
}

/** Milliseconds to whole seconds, toward zero; what is no number is 0. */
export function toWholeSeconds(msecs: unknown): number {
  return ~~((msecs as number) / 1000)
}
