// The values of a spec: numbers, or strings as netem takes them. Every error names the field, what was given and what is taken.

/** Bits a second of one unit, by netem's name. As there, what ends in "bps" counts bytes. */
const RATE_UNITS: Record<string, number> = { '': 1, bit: 1, bps: 8 }
const DECIMAL_PREFIXES = ['k', 'm', 'g', 't']
for (const [power, prefix] of DECIMAL_PREFIXES.entries()) {
  for (const [unit, bits] of [
    ['bit', 1],
    ['bps', 8],
  ] as const) {
    RATE_UNITS[`${prefix}${unit}`] = bits * 1000 ** (power + 1)
    RATE_UNITS[`${prefix}i${unit}`] = bits * 1024 ** (power + 1)
  }
}

/** Microseconds of one unit. A bare number is milliseconds, as a number in a spec is. */
const TIME_UNITS: Record<string, number> = {
  '': 1000,
  s: 1_000_000,
  sec: 1_000_000,
  secs: 1_000_000,
  ms: 1000,
  msec: 1000,
  msecs: 1000,
  us: 1,
  usec: 1,
  usecs: 1,
  ns: 0.001,
  nsec: 0.001,
  nsecs: 0.001,
}

/** Bytes of one unit; netem's are powers of 1024. */
const SIZE_UNITS: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
}

const QUANTITY = /^(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*([a-z]*)$/i
/** Eleven days: longer than anybody waits, short enough for every timer. */
const MAX_DELAY_US = 1e12

/** An error about one field of a spec, with Node's code for it. */
export type SpecError = (RangeError | TypeError) & { code: 'ERR_INVALID_ARG_VALUE' | 'ERR_INVALID_ARG_TYPE' }

export function invalidValue(field: string, value: unknown, allowed: string, hint = ''): SpecError {
  const error = new RangeError(`Impairment '${field}' must be ${allowed}. Received ${show(value)}${hint && `.${hint}`}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' as const })
}

export function invalidType(field: string, value: unknown, allowed: string): SpecError {
  const error = new TypeError(`Impairment '${field}' must be ${allowed}. Received ${show(value)}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' as const })
}

/** A wrong type gets a TypeError, a wrong value of the right type a RangeError. */
function invalid(field: string, value: unknown, allowed: string): SpecError {
  return typeof value === 'number' || typeof value === 'string'
    ? invalidValue(field, value, allowed)
    : invalidType(field, value, allowed)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

function parseQuantity(text: string, units: Record<string, number>): number | null {
  const match = QUANTITY.exec(text.trim())
  if (match === null) return null
  const unit = match[2].toLowerCase()
  return Object.hasOwn(units, unit) ? Number(match[1]) * units[unit] : null
}

const PROBABILITY = "a probability from 0 to 1 or a percentage such as '5%'"
/** A probability: 0.05, '0.05' or '5%'. */
export function parseProbability(field: string, value: unknown): number {
  if (typeof value === 'number') {
    if (value >= 0 && value <= 1) return value
  } else if (typeof value === 'string') {
    const percent = /^(.*\S)\s*%$/.exec(value.trim())
    const number = parseQuantity(percent === null ? value : percent[1], { '': 1 })
    if (number !== null && percent !== null && number <= 100) return number / 100
    // netem's "1" is one per cent, ours would be all: only what cannot be meant as a percentage passes without the sign.
    if (number !== null && percent === null && number < 1) return number
  }
  throw invalid(field, value, PROBABILITY)
}

const TIME = "a number of milliseconds or a time such as '100ms', '1.5s' or '200us'"
/** Microseconds, from milliseconds or netem's strings. */
export function parseTimeUs(field: string, value: unknown): number {
  const us =
    typeof value === 'string' ? parseQuantity(value, TIME_UNITS) : typeof value === 'number' ? value * 1000 : null
  if (us === null || !(us >= 0 && us <= MAX_DELAY_US)) throw invalid(field, value, TIME)
  return Math.round(us)
}

const RATE = "a number of bits a second or a rate such as '10mbit', '500kbit' or '2mbps' (megabytes a second)"
/** Bits a second, from a number or netem's strings. */
export function parseRateBits(field: string, value: unknown): number {
  const bits =
    typeof value === 'string'
      ? parseQuantity(value.replace(/\/s$/i, ''), RATE_UNITS)
      : typeof value === 'number'
        ? value
        : null
  if (bits === null || !(bits === 0 || (bits >= 1 && bits <= 1e15))) throw invalid(field, value, RATE)
  return bits
}

const SIZE = "a number of bytes or a size such as '64kb'"
/** Bytes. */
export function parseSize(field: string, value: unknown): number {
  const size = typeof value === 'string' ? parseQuantity(value, SIZE_UNITS) : typeof value === 'number' ? value : null
  if (size === null || !(size >= 1 && size <= Number.MAX_SAFE_INTEGER)) throw invalid(field, value, SIZE)
  return Math.round(size)
}

/** A whole number between two others. */
export function parseInteger(field: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number
  throw invalid(field, value, `a whole number from ${min} to ${max}`)
}

/** An object with no members but those named. */
export function parseObject(field: string, value: unknown, members: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidType(field, value, `an object with ${list(members)}`)
  }
  for (const member of Object.keys(value)) {
    if (!members.includes(member)) throw unknownField(`${field}.${member}`, members, member)
  }
  return value as Record<string, unknown>
}

/** A field that does not exist; says which one may have been meant. */
export function unknownField(field: string, known: readonly string[], name: string = field): SpecError {
  const near = nearest(name, known)
  const hint = near === undefined ? `Known: ${list(known)}` : `Did you mean '${near}'?`
  const error = new TypeError(`Unknown impairment '${field}'. ${hint}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' as const })
}

/** A profile that does not exist. */
export function unknownProfile(name: unknown, known: readonly string[]): SpecError {
  if (typeof name !== 'string') return invalidType('profile', name, 'the name of a network')
  const near = nearest(name, known)
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  return invalidValue('profile', name, `one of ${list(known)}`, hint)
}

const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}

/** The shortest text that `parseTimeUs` reads back as the same. */
export function formatTimeUs(us: number): string {
  if (us >= 1_000_000 && us % 1000 === 0) return `${us / 1_000_000}s`
  return us >= 1000 ? `${us / 1000}ms` : `${us}us`
}

/** A text that `parseProbability` reads back as the same. */
export function formatProbability(probability: number): string {
  const percent = Number((probability * 100).toPrecision(15))
  return percent / 100 === probability ? `${percent}%` : probability < 1 ? String(probability) : '100%'
}

/** Gives the text of a file, or throws: the parser itself touches no files. */
export type ReadFile = (path: string) => string

/** The fields of one direction of a spec, read by the stages that they belong to. */
export class FieldReader {
  readonly #fields: Readonly<Record<string, unknown>>
  readonly #readFile: ReadFile | undefined
  /** The name by which errors call a field. */
  readonly label: (name: string) => string

  constructor(
    fields: Readonly<Record<string, unknown>>,
    label: (name: string) => string = (name) => name,
    readFile?: ReadFile,
  ) {
    this.#fields = fields
    this.label = label
    this.#readFile = readFile
  }

  /** The text of a file that a field names. */
  file(name: string, path: string): string {
    const field = this.label(name)
    if (this.#readFile === undefined) throw invalidValue(field, path, 'given as numbers: files cannot be read here')
    try {
      return this.#readFile(path)
    } catch (error) {
      throw invalidValue(field, path, `the name of a file that can be read (${(error as Error).message})`)
    }
  }

  /** Undefined or null count as absent. */
  raw(name: string): unknown {
    return this.#fields[name] ?? undefined
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined
  }

  /** 0 when absent. */
  probability(name: string): number {
    return parseProbability(this.label(name), this.raw(name) ?? 0)
  }

  /** 0 when absent. */
  timeUs(name: string): number {
    return parseTimeUs(this.label(name), this.raw(name) ?? 0)
  }

  /** Bits a second; 0 when absent. */
  rateBits(name: string): number {
    return parseRateBits(this.label(name), this.raw(name) ?? 0)
  }
}
