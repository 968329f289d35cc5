import { type Row, removedSysctls, type SysctlName, type SysctlValues, sysctlTable } from './sysctl-table.ts'

/** A parameter was given a value, or asked for by a name, that there is not. Nothing was changed. */
export class SysctlError extends RangeError {
  readonly code = 'ERR_INVALID_ARG_VALUE'
  readonly parameter: string
  readonly value: unknown

  constructor(parameter: string, value: unknown, reason: string) {
    super(value === undefined ? `sysctl ${parameter}: ${reason}` : `sysctl ${parameter} = ${show(value)}: ${reason}`)
    this.name = 'SysctlError'
    this.parameter = parameter
    this.value = value
  }
}

/** Says why a name may not be chosen; null when it may. */
export type NameCheck = (name: string) => string | null

export interface SysctlOptions {
  /** For `tcp_congestion_control`: what is registered. Absent: any name. */
  checkCongestionControl?: NameCheck
  /** What is registered now: what a row of names stands for while it is empty. */
  congestionControls?: () => readonly string[]
  /** Defaults that depend on the machine, such as `max_paths`. */
  defaults?: Partial<SysctlValues>
}

const anyName: NameCheck = () => null
const rows: Readonly<Record<string, Row>> = sysctlTable
export const sysctlNames = Object.keys(sysctlTable) as SysctlName[]

/**
 * All names, in the order of the table, for every stack's values to have the same hidden class. Parsed, because an object that gets so many
 * properties one by one becomes a hash table, which is read many times for each segment and several times as slowly.
 */
const SHAPE = JSON.stringify(Object.fromEntries(sysctlNames.map((name) => [name, 0])))

class SysctlStore {
  /** What is in force now: a plain object, read where speed matters. Its arrays are replaced, never written to. */
  readonly values: SysctlValues
  readonly #checkName: NameCheck
  readonly #names: () => readonly string[]
  readonly #defaults: SysctlValues

  constructor(options: SysctlOptions = {}) {
    this.#checkName = options.checkCongestionControl ?? anyName
    this.#names = options.congestionControls ?? (() => [])
    const values: Record<string, unknown> = JSON.parse(SHAPE)
    for (const name of sysctlNames) values[name] = sysctlTable[name].default
    this.values = values as unknown as SysctlValues
    if (options.defaults !== undefined) this.assign(options.defaults)
    this.#defaults = { ...this.values }
    // A mistyped name must not become a new property that nobody reads.
    Object.freeze(this)
  }

  /** The value of a parameter; the prefix `net.ipv4.` or `net.core.` may stand before its name. */
  get(name: string): SysctlValues[SysctlName] {
    return this.#shown(known(name, undefined), this.values)
  }

  /** The value as the kernel prints it: lists with tabs between. */
  text(name: string): string {
    const value = this.get(name)
    return Array.isArray(value) ? value.join('\t') : String(value)
  }

  /** Sets one parameter from a value or its text. Throws a {@link SysctlError} and changes nothing where it is not allowed. */
  set(name: string, value: unknown): void {
    const key = known(name, value)
    this.#write(key, parseSysctlValue(key, value, this.#checkName))
  }

  /** Sets several, or none: all are checked before the first is written. */
  assign(settings: Readonly<Record<string, unknown>> | Iterable<readonly [string, unknown]>): void {
    const entries = isIterable(settings) ? settings : Object.entries(settings)
    const checked: [SysctlName, unknown][] = []
    for (const [name, value] of entries) {
      if (value === undefined) continue
      const key = known(name, value)
      checked.push([key, parseSysctlValue(key, value, this.#checkName)])
    }
    for (const [key, value] of checked) this.#write(key, value)
  }

  /** What it was when the stack began, before anybody set it. */
  default(name: string): SysctlValues[SysctlName] {
    return this.#shown(known(name, undefined), this.#defaults)
  }

  toJSON(): SysctlValues {
    const values: Record<string, unknown> = {}
    for (const name of sysctlNames) values[name] = this.#shown(name, this.values)
    return values as unknown as SysctlValues
  }

  #shown(key: SysctlName, values: SysctlValues): SysctlValues[SysctlName] {
    const value = values[key]
    return value === '' && rows[key].kind === 'names' ? this.#names().join(' ') : value
  }

  #write(key: SysctlName, value: unknown): void {
    ;(this.values as Record<SysctlName, unknown>)[key] = value
  }
}

// One accessor per parameter, on the prototype: `sysctl.tcp_retries2 = 8`.
for (const name of sysctlNames) {
  Object.defineProperty(SysctlStore.prototype, name, {
    enumerable: true,
    get(this: SysctlStore) {
      return this.get(name)
    },
    set(this: SysctlStore, value: unknown) {
      this.set(name, value)
    },
  })
}
for (const name of Object.keys(removedSysctls)) {
  Object.defineProperty(SysctlStore.prototype, name, {
    set(this: SysctlStore, value: unknown) {
      this.set(name, value)
    },
  })
}

/** The parameters of a stack, by Linux's names: `sysctl.tcp_retries2 = 8`. A bad value throws and changes nothing. */
export type Sysctl = SysctlStore & { -readonly [Name in SysctlName]: SysctlValues[Name] }
export const Sysctl = SysctlStore as unknown as new (options?: SysctlOptions) => Sysctl

/** Checks a value, or its text, for a parameter and returns it in the parameter's type. Also for settings of one connection. */
export function parseSysctlValue(name: SysctlName, value: unknown, checkName: NameCheck = anyName): unknown {
  const row = rows[name]
  switch (row.kind) {
    case 'number': {
      const n = toNumber(value)
      if (n !== null && inRange(n, row) && (row.fraction === true || Number.isInteger(n))) return n
      throw new SysctlError(name, value, expected(row))
    }
    case 'number-or-word': {
      if (row.words.includes(value as string)) return value
      const n = toNumber(value)
      if (n !== null && inRange(n, row) && Number.isInteger(n)) return n
      throw new SysctlError(name, value, expected(row))
    }
    case 'word':
      if (row.words.includes(value as string)) return value
      throw new SysctlError(name, value, expected(row))
    case 'name': {
      if (typeof value !== 'string' || !/^[\w.+-]{1,64}$/.test(value)) throw new SysctlError(name, value, expected(row))
      const reason = checkName(value)
      if (reason !== null) throw new SysctlError(name, value, reason)
      return value
    }
    case 'names': {
      const names = (Array.isArray(value) ? value : String(value).split(/\s+/)).filter((one) => one !== '')
      if (row.readOnly && names.length > 0) throw new SysctlError(name, value, expected(row))
      for (const one of names) {
        if (typeof one !== 'string' || !/^[\w.+-]{1,64}$/.test(one)) throw new SysctlError(name, value, expected(row))
        const reason = checkName(one)
        if (reason !== null) throw new SysctlError(name, one, reason)
      }
      return names.join(' ')
    }
    case 'list': {
      const texts = typeof value === 'string' ? value.split(/[\s,]+/).filter((text) => text !== '') : value
      if (!Array.isArray(texts) || texts.length !== row.default.length)
        throw new SysctlError(name, value, expected(row))
      const list = texts.map(toNumber)
      for (let i = 0; i < list.length; i++) {
        const n = list[i]
        if (n === null || !Number.isInteger(n) || !inRange(n, row)) throw new SysctlError(name, value, expected(row))
        if (row.ascending && i > 0 && n < (list[i - 1] as number)) throw new SysctlError(name, value, expected(row))
      }
      return Object.freeze(list)
    }
  }
}

/** The values that a parameter may have, in words: `must be an integer from 0 to 255`. */
function expected(row: Row): string {
  const unit = row.unit === '' ? '' : ` (${row.unit})`
  switch (row.kind) {
    case 'number':
      return `must be ${row.fraction === true ? 'a number' : 'an integer'} from ${row.min} to ${row.max}${unit}`
    case 'number-or-word':
      return `must be an integer from ${row.min} to ${row.max}${unit}, or ${row.words.join(', ')}`
    case 'word':
      return `must be one of ${row.words.join(', ')}`
    case 'name':
      return `must be the name of a ${row.of}`
    case 'names':
      return row.readOnly ? `must not be set: ${row.of} are registered by programs` : `must be names of ${row.of}`
    case 'list': {
      const order = row.ascending ? ', none less than the one before' : ''
      return `must be ${row.default.length} integers from ${row.min} to ${row.max}${unit}${order}`
    }
  }
}

/** `expected` by name, for help and documentation. */
export function sysctlRange(name: SysctlName): string {
  return expected(rows[name]).replace(/^must be /, '')
}

/** The name with the prefix that sysctl(8) shows; `net.sluice.` for what Linux does not have. */
export function sysctlKey(name: string): string {
  const bare = known(name, undefined)
  const { source } = rows[bare]
  return `net.${source.startsWith('net/core') ? 'core' : source.startsWith('ours') ? 'sluice' : 'ipv4'}.${bare}`
}

/** The bare name of a parameter; `net.ipv4.tcp_sack` and `net/ipv4/tcp_sack` are `tcp_sack`. */
function known(name: string, value: unknown): SysctlName {
  const bare = name.replace(/^net[./](?:ipv4|core|sluice)[./]/, '')
  if (Object.hasOwn(rows, bare)) return bare as SysctlName
  const removed = Object.hasOwn(removedSysctls, bare) ? removedSysctls[bare] : undefined
  throw new SysctlError(bare, value, removed ?? 'there is no such parameter')
}

function inRange(n: number, row: { min: number; max: number }): boolean {
  return n >= row.min && n <= row.max
}

function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'string' && /^\s*[+-]?\d+(?:\.\d+)?\s*$/.test(value)) return Number(value)
  return null
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.map(show).join(' ')
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function isIterable(value: object): value is Iterable<readonly [string, unknown]> {
  return Symbol.iterator in value
}

/**
 * The settings in a line such as the environment variable `SLUICE_SYSCTL` holds: `name=value` pairs between blanks, commas or
 * semicolons. A word without `=` continues the value before it, so that `tcp_rmem=4096 131072 6291456 tcp_sack=0` is two.
 */
export function parseSysctlLine(text: string): [name: string, value: string][] {
  const settings: [string, string][] = []
  const words = text.replace(/\s*=\s*/g, '=').split(/[\s,;]+/)
  for (const word of words) {
    if (word === '') continue
    const at = word.indexOf('=')
    const last = settings.at(-1)
    if (at > 0) settings.push([word.slice(0, at), word.slice(at + 1)])
    else if (at < 0 && last !== undefined) last[1] = last[1] === '' ? word : `${last[1]} ${word}`
    else throw new SysctlError(word, undefined, 'expected name=value')
  }
  return settings
}

/** The settings in a file as sysctl(8) reads them: `name = value` lines; `#` or `;` begins a comment line. */
export function parseSysctlFile(text: string): [name: string, value: string][] {
  const settings: [string, string][] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const at = line.indexOf('=')
    if (at <= 0) throw new SysctlError(line, undefined, `expected name = value in line ${index + 1}`)
    settings.push([line.slice(0, at).trim(), line.slice(at + 1).trim()])
  }
  return settings
}
