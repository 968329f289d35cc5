import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'

// The conformance matrix: `rfc9293.csv`, and the titles of the tests that it names. Used by the test beside it, and by the scripts that print
// it and that try whether its tests notice a broken rule.

export const ROOT = resolve(import.meta.dirname, '../..')

export const Status = {
  /** A named test shows that the rule is obeyed. */
  Tested: 'tested',
  /** Nothing above UDP can obey or break it. */
  NotApplicable: 'not applicable',
  /** Not obeyed, or not wholly: `reason` says why, `test` what is done instead. */
  AsLinux: 'deviates, as Linux',
  AsNet: 'deviates, as net',
  ByDesign: 'deviates, by design',
  /** Permitted, and not made use of. */
  NotChosen: 'not chosen',
} as const
export type Status = (typeof Status)[keyof typeof Status]

export interface Requirement {
  /** MUST-1, SHLD-2, MAY-3, REC-1. */
  readonly id: string
  /** Of RFC 9293. */
  readonly section: string
  readonly status: Status
  /** What it says, in our words. */
  readonly rule: string
  /** `test/…/x.test.ts: title`, as both stand in the source; empty: none. */
  readonly test: string
  /** Why, where it is not simply tested; empty otherwise. */
  readonly reason: string
}

/** A test as it stands in the source: of a table of cases there is one. */
export interface Title {
  readonly file: string
  readonly title: string
  readonly tags: readonly Tag[]
}

/** `[rfc9293#3.8.6 SHLD-14]` in a title; of what is not a requirement of RFC 9293, `id` is empty. */
export interface Tag {
  readonly rfc: string
  readonly section: string
  readonly id: string
}

const COLUMNS = ['id', 'section', 'status', 'rule', 'test', 'reason']
const ID = /^(?:MUST|SHLD|MAY|REC)-\d+$/

export function readMatrix(): Requirement[] {
  const [head, ...rows] = parseCsv(readFileSync(join(import.meta.dirname, 'rfc9293.csv'), 'utf8'))
  if (head?.join() !== COLUMNS.join()) throw new Error(`rfc9293.csv begins with ${head?.join()}`)
  return rows.map((cells) => {
    if (cells.length !== COLUMNS.length) throw new Error(`rfc9293.csv: ${cells.length} cells behind ${cells[0]}`)
    const [id, section, status, rule, test, reason] = cells
    return { id, section, status: status as Status, rule, test, reason }
  })
}

/** rfc4180: cells in quotes may hold commas, and quotes written twice. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const cells: string[] = []
    for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/g)) {
      cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    }
    rows.push(cells)
  }
  return rows
}

/** What a row's `test` names. */
export function fileAndTitle(test: string): [file: string, title: string] {
  const colon = test.indexOf(': ')
  return [test.slice(0, colon), test.slice(colon + 2)]
}

const isDeviation = (status: Status): boolean => status.startsWith('deviates, ')

// ---- Titles --------------------------------------------------------------------------------------------------------------------------

/** The string behind `it(`, `it.each(…)(` or the end of a table of cases, where one of these begins a line. */
const TITLE =
  /^[ \t]*(?:(?:it|test)|(?:it|test)\.each(?:<.*>)?\(.*\)|\](?: as \w+)*\))\(\s*(['"`])((?:\\.|(?!\1)[^\\\n])+)\1\s*,/gm
const BRACKET = /\[([^\]]+)\]/g

/** All tests whose source can be read. */
export function readTitles(): Title[] {
  return sources('test').flatMap((file) => titlesOf(file, readFileSync(join(ROOT, file), 'utf8')))
}

export function titlesOf(file: string, text: string): Title[] {
  return [...text.matchAll(TITLE)].map(([, , written]) => {
    const title = written.replace(/\\(['"`\\])/g, '$1')
    return { file, title, tags: tagsOf(title) }
  })
}

/** `[MUST-2]` alone stands in the section named before it. */
export function tagsOf(title: string): Tag[] {
  const tags: Tag[] = []
  let section = ''
  for (const [, text] of title.matchAll(BRACKET)) {
    const [, rfc, where, rest] = /^(rfc\d+)#([\w.]+)(?: (.+))?$/.exec(text) ?? []
    if (rfc === undefined) {
      if (ID.test(text)) tags.push({ rfc: 'rfc9293', section, id: text })
      continue
    }
    if (rfc === 'rfc9293') section = where
    tags.push({ rfc, section: where, id: rest !== undefined && ID.test(rest) ? rest : '' })
  }
  return tags
}

export function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.split(sep).join('/')}`)
    .filter((file) => file.endsWith('.ts'))
    .sort()
}

// ---- What may be wrong ---------------------------------------------------------------------------------------------------------------

/** Everything that is wrong with the matrix, in words. */
export function problemsOf(matrix: readonly Requirement[], titles: readonly Title[]): string[] {
  const problems: string[] = []
  const byId = new Map(matrix.map((row) => [row.id, row]))
  if (byId.size !== matrix.length) problems.push('an id stands there twice')
  for (const row of matrix) problems.push(...problemsOfRow(row, titles).map((problem) => `${row.id}: ${problem}`))
  for (const { file, title, tags } of titles) {
    for (const tag of tags) {
      if (tag.id === '') continue
      const row = byId.get(tag.id)
      if (row === undefined) problems.push(`${file}: there is no ${tag.id} (${title})`)
      else if (row.test === '') problems.push(`${file}: ${tag.id} is marked as ${row.status} (${title})`)
      else if (row.section !== tag.section)
        problems.push(`${file}: ${tag.id} stands in ${row.section}, not in ${tag.section} (${title})`)
    }
  }
  return problems
}

function problemsOfRow({ id, status, rule, test, reason }: Requirement, titles: readonly Title[]): string[] {
  const problems: string[] = []
  if (!Object.values(Status).includes(status)) problems.push(`nobody knows the status '${status}'`)
  if (rule.length < 10) problems.push('it does not say what the rule is')
  if (status === Status.Tested ? test === '' : reason.length < 20) problems.push('neither a test nor a reason')
  if (status === Status.NotChosen && !id.startsWith('MAY-')) problems.push('only what is permitted can be left')
  if (test === '') return problems
  if (status !== Status.Tested && !isDeviation(status)) problems.push('a test of what is not done')
  const [file, title] = fileAndTitle(test)
  const found = titles.filter((one) => one.file === file && one.title === title)
  if (found.length !== 1) problems.push(`${found.length} tests are called '${title}' in ${file}`)
  else if (!found[0].tags.some((tag) => tag.id === id)) problems.push(`its test does not bear its tag: ${title}`)
  return problems
}

// ---- Anchors -------------------------------------------------------------------------------------------------------------------------

/** An anchor in a comment of the code: `rfc9293#3.8.6`. */
export interface Anchor {
  readonly name: string
  readonly files: readonly string[]
}

const ANCHOR = /\b(rfc\d+)#([\w.]*\w)((?:,? (?:and |to )?#[\w.]*\w)*)/g

/** Anchors of the code by name, with the files in which they stand. `rfc9293#3.6, #3.7` names two. */
export function readAnchors(): Anchor[] {
  const found = new Map<string, Set<string>>()
  for (const file of sources('src')) {
    for (const [, rfc, section, more] of readFileSync(join(ROOT, file), 'utf8').matchAll(ANCHOR)) {
      for (const one of [section, ...[...more.matchAll(/#([\w.]*\w)/g)].map(([, other]) => other)]) {
        const name = `${rfc}#${one}`
        found.set(name, (found.get(name) ?? new Set()).add(file))
      }
    }
  }
  return [...found].sort(byName).map(([name, files]) => ({ name, files: [...files].sort() }))
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => a.localeCompare(b, 'en', { numeric: true })

/** Whether a section is the other, or a part of it. */
const isWithin = (name: string, other: string): boolean => name === other || name.startsWith(`${other}.`)

export interface AnchorReport {
  /** Of the code, with a test of the same section or of a part of it. */
  readonly tested: readonly Anchor[]
  readonly untested: readonly Anchor[]
  /** Of titles, for which no code names the section, a part of it or what it is a part of; with the files of the tests. */
  readonly loose: readonly Anchor[]
}

export function compareAnchors(anchors: readonly Anchor[], titles: readonly Title[]): AnchorReport {
  const tagged = new Map<string, Set<string>>()
  for (const { file, tags } of titles) {
    for (const { rfc, section } of tags) {
      const name = `${rfc}#${section}`
      tagged.set(name, (tagged.get(name) ?? new Set()).add(file))
    }
  }
  const names = [...tagged.keys()]
  const isTested = ({ name }: Anchor): boolean => names.some((tag) => isWithin(tag, name))
  const isLoose = (tag: string): boolean => !anchors.some(({ name }) => isWithin(name, tag) || isWithin(tag, name))
  return {
    tested: anchors.filter(isTested),
    untested: anchors.filter((anchor) => !isTested(anchor)),
    loose: [...tagged]
      .filter(([name]) => isLoose(name))
      .sort(byName)
      .map(([name, files]) => ({ name, files: [...files] })),
  }
}
