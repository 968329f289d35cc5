import { invalidValue, unknownField } from './values.ts'

/** Fields as a text gives them. */
export type TextFields = Record<string, unknown>

/** Which names a text may use. */
export interface TextNames {
  /** Of one direction. */
  readonly direction: readonly string[]
  /** Of a whole rule: `to`, `seed` … */
  readonly rule: readonly string[]
}

/** `loss=5%,in.delay=100ms;loss=1%`, or netem's words: what SLUICE_IMPAIR holds. Rules are divided by semicolons. */
export function parseText(text: string, names: TextNames): TextFields[] {
  return text
    .split(';')
    .filter((rule) => rule.trim() !== '')
    .map((rule) => parseRuleText(rule, names))
}

function parseRuleText(text: string, names: TextNames): TextFields {
  const entry: TextFields = {}
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(part) ?? []
    if (name !== undefined) {
      const [, direction, field] = /^(in|out)\.(.*)$/.exec(name) ?? [undefined, undefined, name]
      put(entry, direction, field, value.trim(), names)
    } else if (/^\s*(at|after|every)\s/i.test(part)) {
      put(entry, undefined, 'schedule', part.trim(), names)
    } else {
      parseWords(entry, part, names)
    }
  }
  return entry
}

/** netem's form: a name, its values, the next name. `in` and `out` say what the names behind them are for. */
function parseWords(entry: TextFields, text: string, names: TextNames): void {
  const words = text.trim().split(/\s+/)
  if (words.length === 1 && !FLAGS.includes(words[0])) {
    throw invalidValue('impair', words[0], "written as field=value, such as 'loss=5%'")
  }
  const isName = (word: string): boolean => names.direction.includes(word) || names.rule.includes(word)
  let direction: string | undefined
  for (let at = 0; at < words.length; ) {
    const name = words[at++]
    if (name === 'in' || name === 'out') {
      direction = name
      continue
    }
    if (!isName(name)) throw unknownField(name, [...names.direction, ...names.rule])
    const first = at
    // What a slot's pauses are drawn from is part of its value.
    while (at < words.length && !(isWordOf(words[at], isName) && !(name === 'slot' && words[at] === 'distribution')))
      at++
    put(entry, direction, name, words.slice(first, at).join(' '), names)
  }
}

/** What is said by the name alone. */
const FLAGS: readonly string[] = ['ecn', 'blackhole']

const isWordOf = (word: string, isName: (word: string) => boolean): boolean =>
  isName(word) || word === 'in' || word === 'out'

function put(entry: TextFields, direction: string | undefined, field: string, value: string, names: TextNames): void {
  const known = direction === undefined ? [...names.direction, ...names.rule] : names.direction
  const name = direction === undefined ? field : `${direction}.${field}`
  if (!known.includes(field)) throw unknownField(name, known, field)
  if (direction !== undefined) entry[direction] ??= {}
  const fields = direction === undefined ? entry : (entry[direction] as TextFields)
  if (!Object.hasOwn(fields, field)) fields[field] = value
  else if (field === 'schedule') fields[field] = `${fields[field]} & ${value}`
  else throw invalidValue(name, value, 'given only once')
}
