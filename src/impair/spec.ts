import { Destination } from './address.ts'
import { findProfile } from './profiles.ts'
import { formatSchedule, type Overlay, parseSchedule, type ScheduledEvent } from './schedule.ts'
import { type DirectionFields, type PipelineSpec, STAGE_FIELDS, STAGE_TYPES } from './stages.ts'
import { parseText, type TextFields } from './text.ts'
import {
  FieldReader,
  invalidType,
  invalidValue,
  parseInteger,
  parseObject,
  type ReadFile,
  unknownField,
} from './values.ts'

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
  /** A network by name, such as `'3g'`: what else is given overrides it. */
  profile?: string
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

export interface ImpairOptions {
  /** Reads the files that a spec names (distributions, traces); absent: none may be named. */
  readFile?: ReadFile
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
  static parse(spec: ImpairSpec | null | undefined, options: ImpairOptions = {}): Impairment | null {
    const entries = impairEntries(spec)
    const seed = impairSeed(entries)
    const rules = entries.map((entry) => parseRule(entry, options))
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

  /** The text form, which `parse` reads back as the same; a predicate has none. */
  toString(): string {
    const seed = this.seed === undefined ? [] : [`seed=${this.seed}`]
    return this.rules.map((rule, i) => [...formatRule(rule), ...(i === 0 ? seed : [])].join(',')).join(';')
  }
}

/** The rules of a spec as objects, the values as they were given. */
export function impairEntries(spec: ImpairSpec | null | undefined): readonly ImpairFields[] {
  if (spec === null || spec === undefined) return []
  if (typeof spec === 'string')
    return parseText(spec, { direction: DIRECTION_FIELDS, rule: RULE_FIELDS }) as ImpairFields[]
  return Array.isArray(spec) ? spec : [spec as ImpairFields]
}

/** The seed that rules name, which must be the same in all that do. */
export function impairSeed(entries: readonly ImpairFields[]): number | undefined {
  let seed: number | undefined
  for (const entry of entries) {
    const value = (entry as ImpairFields | null)?.seed
    if (value === undefined || value === null) continue
    const own = parseInteger('seed', value, 0, Number.MAX_SAFE_INTEGER)
    if (seed !== undefined && own !== seed) {
      throw invalidValue('seed', own, `the same in all rules, ${seed} like the first`)
    }
    seed = own
  }
  return seed
}

/** The members of one direction, and those of a rule beside them. */
const DIRECTION_FIELDS: readonly string[] = [...STAGE_FIELDS, 'schedule']
const RULE_FIELDS: readonly string[] = ['profile', 'to', 'seed']
export const IMPAIR_FIELDS: readonly string[] = [...DIRECTION_FIELDS, 'in', 'out', ...RULE_FIELDS]

type Label = (name: string) => string

/** The spec of one pipeline from the fields of one direction; null: nothing happens in it. `label` gives fields names in errors. */
export function parsePipelineSpec(
  fields: DirectionFields,
  label?: Label,
  { readFile }: ImpairOptions = {},
): PipelineSpec | null {
  for (const field of Object.keys(fields)) {
    if (!DIRECTION_FIELDS.includes(field)) throw unknownField(field, DIRECTION_FIELDS)
  }
  const reader = new FieldReader({ ...fields }, label, readFile)
  const spec: Record<string, unknown> = {}
  for (const type of STAGE_TYPES) {
    const config = type.parse(reader)
    if (config !== null) spec[type.name] = config
  }
  const field = reader.label('schedule')
  const schedule = parseSchedule(field, reader.raw('schedule'), (text) => parseOverlay(text, fields, readFile))
  // A reset at an offset is each connection's own; everything else goes by the clock or the bytes of the path.
  const resets = schedule.filter(({ when, action }) => when === 'after' && action === 'reset')
  if (resets.length > 0) {
    if (spec.reset !== undefined) throw invalidValue(field, resets[0].text, "given without 'reset'")
    spec.reset = { after: Math.min(...resets.map(({ mark }) => mark)) }
  }
  // What turns off a stage that is never on does nothing, and could not be read back.
  const isEver = (stage: string): boolean =>
    spec[stage] !== undefined ||
    schedule.some(({ action }) => typeof action === 'object' && (action[stage] ?? null) !== null)
  const acts = ({ action }: ScheduledEvent): boolean => typeof action === 'string' || Object.keys(action).some(isEver)
  const rest = schedule.filter((event) => !resets.includes(event) && acts(event))
  if (rest.length > 0) spec.schedule = rest
  return Object.keys(spec).length === 0 ? null : spec
}

/** `loss 30%` of a schedule: what the stages that it names are set to, other fields being what they are. */
function parseOverlay(text: string, fields: DirectionFields, readFile: ReadFile | undefined): Overlay {
  const entries = parseText(text, { direction: DIRECTION_FIELDS.filter((name) => name !== 'schedule'), rule: [] })
  const own: TextFields = { ...entries[0] }
  const label: Label = (name) => (Object.hasOwn(own, name) ? `schedule ${name}` : name)
  for (const name of ['in', 'out']) {
    if (Object.hasOwn(own, name)) throw invalidValue('schedule', text, `written in '${name}.schedule' instead`)
  }
  // A bare "blackhole" is true.
  const reader = new FieldReader({ ...fields, ...own }, label, readFile)
  const overlay: Record<string, unknown> = {}
  for (const type of STAGE_TYPES) {
    if (type.fields.some((name) => Object.hasOwn(own, name))) overlay[type.name] = type.parse(reader)
  }
  return overlay
}

function parseRule(entry: unknown, options: ImpairOptions): ImpairRule {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw invalidType('impair', entry, "an object, a list of objects or a text such as 'loss=5%,delay=100ms'")
  }
  for (const field of Object.keys(entry)) {
    if (!IMPAIR_FIELDS.includes(field)) throw unknownField(field, IMPAIR_FIELDS)
  }
  const { in: inbound, out: outbound, to, seed: _, profile, ...own } = entry as ImpairFields
  const network = isAbsent(profile) ? null : findProfile(profile)
  const direction = (name: 'in' | 'out', fields: unknown): PipelineSpec | null => {
    const both: DirectionFields = { ...network?.[name], ...given(own) }
    return parseDirection(both, name, fields, options)
  }
  return { to: parseTo(to), in: direction('in', inbound), out: direction('out', outbound) }
}

const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null

/** Without the members that are undefined, which would hide others. */
const given = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function parseDirection(
  both: DirectionFields,
  name: string,
  own: unknown,
  options: ImpairOptions,
): PipelineSpec | null {
  if (isAbsent(own)) return parsePipelineSpec(both, undefined, options)
  const fields = given(parseObject(name, own, DIRECTION_FIELDS))
  const label: Label = (field) => (Object.hasOwn(fields, field) ? `${name}.${field}` : field)
  return parsePipelineSpec({ ...both, ...fields }, label, options)
}

function parseTo(to: unknown): Destination | null {
  if (isAbsent(to)) return null
  const allowed = "an address, a network or 'localhost', with or without a port, such as '10.0.0.0/8' or '127.0.0.1:80'"
  if (typeof to !== 'string') throw invalidType('to', to, allowed)
  const destination = Destination.parse(to)
  if (destination === null) throw invalidValue('to', to, allowed)
  return destination
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
  const fields: Record<string, string> = {}
  for (const type of STAGE_TYPES) {
    const config = spec[type.name as keyof PipelineSpec]
    if (config !== undefined) Object.assign(fields, type.format(config))
  }
  if (spec.schedule !== undefined) fields.schedule = formatSchedule(spec.schedule)
  return Object.entries(fields).map(([field, value]) => `${field}=${value}`)
}
