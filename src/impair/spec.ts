import { Destination } from './address.ts'
import { type DirectionFields, type PipelineSpec, STAGE_TYPES } from './stages.ts'
import { FieldReader, invalidType, invalidValue, parseInteger, parseObject, unknownField } from './values.ts'

/**
 * What may be asked for: netem's vocabulary, as numbers (probabilities 0 … 1, milliseconds, bits a second) or as netem's strings
 * (`'5%'`, `'100ms'`, `'10mbit'`). Fields at the top hold for both directions; `in` (what arrives) and `out` (what leaves) add to
 * them or override them. 0 is off.
 */
export interface ImpairFields extends DirectionFields {
  /** What arrives. */
  in?: DirectionFields
  /** What leaves. */
  out?: DirectionFields
  /**
   * The destinations meant: `'10.0.0.7'`, `'10.0.0.0/8'`, `'127.0.0.1:8080'`, `'[::1]:80'`, `'fd00::/8'`, `'localhost:5432'`,
   * `':80'`. Absent: all.
   */
  to?: string
  /** Decides every choice: a whole number. The same seed gives the same fate of every packet. */
  seed?: number | string
}

/** Fields, several of them for destinations apart (the first whose `to` fits counts), or the text form of either. */
export type ImpairSpec = ImpairFields | readonly ImpairFields[] | string

/** What happens to the traffic of some destinations; null where nothing does. */
export interface ImpairRule {
  readonly to: Destination | null
  readonly in: PipelineSpec | null
  readonly out: PipelineSpec | null
}

/** A spec that was found right. */
export class Impairment {
  readonly rules: readonly ImpairRule[]
  /** Undefined: none was asked for. */
  readonly seed: number | undefined

  private constructor(rules: readonly ImpairRule[], seed: number | undefined) {
    this.rules = rules
    this.seed = seed
  }

  /** Throws a RangeError or a TypeError that names the field, the value and what is allowed. Null: nothing is impaired. */
  static parse(spec: ImpairSpec | null | undefined): Impairment | null {
    if (spec === null || spec === undefined) return null
    const entries = typeof spec === 'string' ? parseText(spec) : Array.isArray(spec) ? spec : [spec]
    let seed: number | undefined
    const rules: ImpairRule[] = []
    for (const entry of entries) {
      rules.push(parseRule(entry))
      if (entry.seed === undefined || entry.seed === null) continue
      const own = parseInteger('seed', entry.seed, 0, Number.MAX_SAFE_INTEGER)
      if (seed !== undefined && own !== seed)
        throw invalidValue('seed', own, `the same in all rules, ${seed} like the first`)
      seed = own
    }
    // A rule that does nothing still shields its destinations from those behind it.
    return rules.some((rule) => rule.in !== null || rule.out !== null) ? new Impairment(rules, seed) : null
  }

  /** The rule for a destination; null: none. */
  find(address: string, port: number): ImpairRule | null {
    for (const rule of this.rules) {
      if (rule.to === null || rule.to.matches(address, port)) return rule
    }
    return null
  }

  /** The text form, which `parse` reads back as the same. */
  toString(): string {
    const seed = this.seed === undefined ? [] : [`seed=${this.seed}`]
    return this.rules.map((rule, i) => [...formatRule(rule), ...(i === 0 ? seed : [])].join(',')).join(';')
  }
}

const DIRECTION_FIELDS: readonly string[] = STAGE_TYPES.flatMap((type) => type.fields)
const FIELDS: readonly string[] = [...DIRECTION_FIELDS, 'in', 'out', 'to', 'seed']

/** The spec of one pipeline from the fields of one direction; null: nothing happens in it. `label` gives fields names in errors. */
export function parsePipelineSpec(fields: DirectionFields, label?: (name: string) => string): PipelineSpec | null {
  for (const field of Object.keys(fields)) {
    if (!DIRECTION_FIELDS.includes(field)) throw unknownField(field, DIRECTION_FIELDS)
  }
  const reader = new FieldReader({ ...fields }, label)
  const spec: Record<string, unknown> = {}
  for (const type of STAGE_TYPES) {
    const config = type.parse(reader)
    if (config !== null) spec[type.name] = config
  }
  return Object.keys(spec).length === 0 ? null : spec
}

function parseRule(entry: unknown): ImpairRule {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw invalidType('impair', entry, "an object, a list of objects or a text such as 'loss=5%,delay=100ms'")
  }
  for (const field of Object.keys(entry)) {
    if (!FIELDS.includes(field)) throw unknownField(field, FIELDS)
  }
  const { in: inbound, out: outbound, to, seed: _, ...both } = entry as ImpairFields
  return { to: parseTo(to), in: parseDirection(both, 'in', inbound), out: parseDirection(both, 'out', outbound) }
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null

function parseDirection(both: DirectionFields, name: string, own: unknown): PipelineSpec | null {
  if (isAbsent(own)) return parsePipelineSpec(both)
  const given = Object.entries(parseObject(name, own, DIRECTION_FIELDS)).filter(([, value]) => value !== undefined)
  const fields = Object.fromEntries(given)
  return parsePipelineSpec({ ...both, ...fields }, (field) =>
    Object.hasOwn(fields, field) ? `${name}.${field}` : field,
  )
}

function parseTo(to: unknown): Destination | null {
  if (isAbsent(to)) return null
  const allowed = "an address, a network or 'localhost', with or without a port, such as '10.0.0.0/8' or '127.0.0.1:80'"
  if (typeof to !== 'string') throw invalidType('to', to, allowed)
  const destination = Destination.parse(to)
  if (destination === null) throw invalidValue('to', to, allowed)
  return destination
}

/** `loss=5%,in.delay=100ms;loss=1%`: what SLUICE_IMPAIR holds. Rules are divided by semicolons. */
function parseText(text: string): ImpairFields[] {
  return text
    .split(';')
    .filter((rule) => rule.trim() !== '')
    .map(parseRuleText)
}

function parseRuleText(text: string): ImpairFields {
  const entry: Record<string, unknown> = {}
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue
    const at = pair.indexOf('=')
    if (at < 0) throw invalidValue('impair', pair.trim(), "written as field=value, such as 'loss=5%'")
    const name = pair.slice(0, at).trim()
    const [, direction, field] = /^(in|out)\.(.*)$/.exec(name) ?? [undefined, undefined, name]
    if (direction !== undefined) entry[direction] ??= {}
    const fields = direction === undefined ? entry : (entry[direction] as Record<string, unknown>)
    const known = direction === undefined ? [...DIRECTION_FIELDS, 'to', 'seed'] : DIRECTION_FIELDS
    if (!known.includes(field)) throw unknownField(name, known, field)
    if (Object.hasOwn(fields, field)) throw invalidValue(name, pair.slice(at + 1).trim(), 'given only once')
    fields[field] = pair.slice(at + 1).trim()
  }
  return entry
}

function formatRule(rule: ImpairRule): string[] {
  const to = rule.to === null ? [] : [`to=${rule.to}`]
  const inbound = formatPipelineSpec(rule.in)
  const outbound = formatPipelineSpec(rule.out)
  // An empty text would be no rule at all.
  if (inbound.length + outbound.length === 0) return ['loss=0%', ...to]
  if (inbound.join() === outbound.join()) return [...inbound, ...to]
  return [...inbound.map((pair) => `in.${pair}`), ...outbound.map((pair) => `out.${pair}`), ...to]
}

/** The fields of a pipeline's spec as `field=value`. */
export function formatPipelineSpec(spec: PipelineSpec | null): string[] {
  if (spec === null) return []
  return STAGE_TYPES.flatMap((type) => {
    const config = spec[type.name as keyof PipelineSpec]
    return config === undefined ? [] : Object.entries(type.format(config)).map(([field, value]) => `${field}=${value}`)
  })
}
