import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { isNativeError, isProxy } from 'node:util/types'

// Values as text, for the record: the same text for the same value in every process, and another for anything that a program
// could tell apart.

/** Text of this length and more is written as its length and a digest. */
const LONG_TEXT = 200

export type NameOf = (value: object) => string | undefined

/** `value` in one line; objects that `nameOf` knows by their name. */
export function describe(value: unknown, nameOf: NameOf, seen: readonly object[] = []): string {
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'function':
      return `[Function ${value.name || '(anonymous)'}]`
    case 'bigint':
      return `${value}n`
    case 'object':
      break
    default:
      return Object.is(value, -0) ? '-0' : String(value)
  }
  if (value === null) return 'null'
  const name = nameOf(value)
  if (name !== undefined) return `<${name}>`
  if (isProxy(value)) return '[Proxy]'
  if (seen.includes(value)) return '[Circular]'
  const inside = [...seen, value]
  if (value instanceof Uint8Array) {
    const kind = Buffer.isBuffer(value) ? 'Buffer' : value.constructor.name
    return `${kind} ${text(Buffer.from(value).toString('latin1'))}`
  }
  if (isNativeError(value) || value instanceof Error) return describeError(value as Error, nameOf, inside)
  if (Array.isArray(value)) return `[${value.map((item) => describe(item, nameOf, inside)).join(', ')}]`
  if (value instanceof EventEmitter) return `[an unnamed ${value.constructor.name}]`
  const kind = Object.getPrototypeOf(value)?.constructor?.name
  const prefix = kind === undefined ? '[null] ' : kind === 'Object' ? '' : `${kind} `
  return `${prefix}${members(value, Object.keys(value), nameOf, inside)}`
}

/** All that a program can read of an error, but for its stack. */
function describeError(error: Error, nameOf: NameOf, seen: readonly object[]): string {
  const made = error.constructor?.name
  const kind = made === error.name ? error.name : `${made}/${error.name}`
  const keys = Object.keys(error)
  for (const hidden of ['cause', 'errors']) {
    if (Object.hasOwn(error, hidden) && !keys.includes(hidden)) keys.push(hidden)
  }
  return `${kind}: ${text(error.message)} ${members(error, keys, nameOf, seen)}`
}

function members(value: object, keys: string[], nameOf: NameOf, seen: readonly object[]): string {
  const parts = keys.map((key) => {
    const member = (value as Record<string, unknown>)[key]
    if (/port$/i.test(key) && typeof member === 'number') return `${key}: ${member}`
    return `${key}: ${describe(member, nameOf, seen)}`
  })
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`
}

function text(value: string): string {
  if (value.length < LONG_TEXT) return JSON.stringify(value)
  return `${JSON.stringify(value.slice(0, 20))}… ${value.length} long, ${digest(value)}`
}

function digest(value: string): string {
  return createHash('sha1').update(value, 'latin1').digest('hex').slice(0, 12)
}
