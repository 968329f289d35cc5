type Options = Readonly<Record<string, unknown>>

// Reading `ControllerEnvironment.options`: what is absent has a default, what is wrong is refused by name.

export function numberOption(options: Options, name: string, fallback: number, min: number, max: number): number {
  const value = options[name]
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new TypeError(`Option '${name}' is a number from ${min} to ${max}, not ${String(value)}`)
  return value
}

export function booleanOption(options: Options, name: string, fallback: boolean): boolean {
  const value = options[name]
  if (value === undefined) return fallback
  // A sysctl says 0 or 1.
  if (value === 0 || value === 1) return value === 1
  if (typeof value !== 'boolean') throw new TypeError(`Option '${name}' is true or false, not ${String(value)}`)
  return value
}

export function wordOption<Word extends string>(
  options: Options,
  name: string,
  fallback: Word,
  words: readonly Word[],
): Word {
  const value = options[name]
  if (value === undefined) return fallback
  const word = words.find((one) => one === value)
  if (word === undefined) throw new TypeError(`Option '${name}' is one of ${words.join(', ')}, not ${String(value)}`)
  return word
}
