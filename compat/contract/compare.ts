import { type Allowed, allowed } from './allowed.ts'
import type { Lanes } from './recorder.ts'

/** A lane that the two recorded differently. */
export interface Difference {
  readonly lane: string
  readonly net: readonly string[]
  readonly sluice: readonly string[]
}

export interface Verdict {
  readonly differences: readonly Difference[]
  /** What is allowed and was needed for the two to be the same. */
  readonly used: readonly Allowed[]
}

/** Compares two records of a program, first as they are, then with what is allowed for it. */
export function compare(program: string, major: number, net: Lanes, sluice: Lanes): Verdict {
  const plain = differencesOf(net, sluice)
  if (plain.length === 0) return { differences: [], used: [] }
  const candidates = allowed.filter((entry) => appliesTo(entry, program, major))
  const left = differencesWith(candidates, net, sluice)
  if (left.length > 0) return { differences: left, used: [] }
  const used = candidates.filter((entry) => {
    const others = candidates.filter((other) => other !== entry)
    return differencesWith(others, net, sluice).length > 0
  })
  // Two that each would do: the first stands for both.
  return { differences: [], used: used.length > 0 ? used : candidates.slice(0, 1) }
}

/** Whether an entry is about this program on this Node. */
export function appliesTo({ programs, nodes }: Allowed, program: string, major: number): boolean {
  if (nodes !== undefined && !nodes.includes(major)) return false
  return programs === 'all' || programs.includes(program)
}

function differencesWith(entries: readonly Allowed[], net: Lanes, sluice: Lanes): Difference[] {
  return differencesOf(rewritten(entries, net), rewritten(entries, sluice))
}

function rewritten(entries: readonly Allowed[], lanes: Lanes): Lanes {
  return Object.fromEntries(
    Object.entries(lanes).map(([lane, lines]) => [
      lane,
      lines.flatMap((line) => {
        let text: string | null = line
        for (const { rewrite } of entries) text = text === null ? null : rewrite(text, lane)
        return text === null ? [] : [text]
      }),
    ]),
  )
}

function differencesOf(net: Lanes, sluice: Lanes): Difference[] {
  const lanes = [...new Set([...Object.keys(net), ...Object.keys(sluice)])].sort()
  return lanes
    .map((lane) => ({ lane, net: net[lane] ?? [], sluice: sluice[lane] ?? [] }))
    .filter(({ net, sluice }) => net.length !== sluice.length || net.some((line, at) => line !== sluice[at]))
}

/** The difference as text: the lines that both have, then `-` for Node's and `+` for sluice's. */
export function explain({ lane, net, sluice }: Difference): string {
  const left = net.flatMap((line) => line.split('\n'))
  const right = sluice.flatMap((line) => line.split('\n'))
  const lines = longestCommon(left, right)
  return [`  lane ${lane}:`, ...lines.map((line) => `    ${line}`)].join('\n')
}

/** A diff by the longest common subsequence; records are short. */
function longestCommon(left: readonly string[], right: readonly string[]): string[] {
  const length: number[][] = Array.from({ length: left.length + 1 }, () => new Array(right.length + 1).fill(0))
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      length[i][j] = left[i] === right[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1])
    }
  }
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      lines.push(`  ${left[i]}`)
      i++
      j++
    } else if (j === right.length || (i < left.length && length[i + 1][j] >= length[i][j + 1]))
      lines.push(`- ${left[i++]}`)
    else lines.push(`+ ${right[j++]}`)
  }
  return lines
}
