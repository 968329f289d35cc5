import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { breaks } from './breaks.ts'
import {
  compareAnchors,
  parseCsv,
  problemsOf,
  type Requirement,
  ROOT,
  readAnchors,
  readMatrix,
  readTitles,
  Status,
  tagsOf,
  titlesOf,
} from './matrix.ts'
import { type Outcome, Verdict, verdictsOf } from './run.ts'

const matrix = readMatrix()
const tested = matrix.filter(({ status }) => status === Status.Tested)

const numbered = (kind: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`)

/** A row that nothing is wrong with, if it is called so in the title below. */
const row = (more: Partial<Requirement> = {}): Requirement => ({
  id: 'MUST-1',
  section: '3.1',
  status: Status.Tested,
  rule: 'The window has no sign.',
  test: 'test/a.test.ts: [rfc9293#3.1 MUST-1] reads it',
  reason: '',
  ...more,
})
const titles = titlesOf('test/a.test.ts', "it('[rfc9293#3.1 MUST-1] reads it', () => {})")

describe('the conformance matrix', () => {
  it('has every requirement of RFC 9293', () => {
    const ids = [...numbered('MUST', 69), ...numbered('SHLD', 31), ...numbered('MAY', 18), 'REC-1']
    expect(matrix.map(({ id }) => id)).toEqual(ids)
    expect(ids.length).toBe(119)
  })

  it('has a test or a reason for each, and its tests and tags are there', () => {
    expect(problemsOf(matrix, readTitles())).toEqual([])
  })

  it('has a test for ninety of them at least', () => {
    expect(tested.length).toBeGreaterThanOrEqual(90)
  })

  it.each<[string, Requirement, RegExp]>([
    ['that it is without a test', row({ test: '' }), /neither a test nor a reason/],
    ['a deviation without a reason', row({ status: Status.AsLinux }), /neither a test nor a reason/],
    ['a file that is not there', row({ test: 'test/b.test.ts: [rfc9293#3.1 MUST-1] reads it' }), /0 tests/],
    ['a title that is not there', row({ test: 'test/a.test.ts: [rfc9293#3.1 MUST-1] reads' }), /0 tests/],
    ['a test of another rule', row({ id: 'MUST-2' }), /its test does not bear its tag/],
    ['a section that differs', row({ section: '3.2' }), /stands in 3\.2, not in 3\.1/],
    ['a test of what is not done', row({ status: Status.NotChosen, id: 'MAY-1' }), /a test of what is not done/],
    [
      'a tag of what no test is named for',
      row({ status: Status.NotApplicable, test: '', reason: 'Nothing above UDP sees it.' }),
      /marked as not applicable/,
    ],
    [
      'an obligation that was not chosen',
      row({ status: Status.NotChosen, test: '', reason: 'Nothing above UDP sees it.' }),
      /only what is permitted/,
    ],
    ['an unknown status', row({ status: 'todo' as Status }), /nobody knows/],
  ])('would show %s', (_, wrong, problem) => {
    expect(problemsOf([row()], titles)).toEqual([])
    expect(problemsOf([wrong], titles).join('\n')).toMatch(problem)
  })

  it('would show tags that it has no row for, and rows that stand there twice', () => {
    expect(problemsOf([], titles)).toEqual(['test/a.test.ts: there is no MUST-1 ([rfc9293#3.1 MUST-1] reads it)'])
    expect(problemsOf([row(), row()], titles)).toEqual(['an id stands there twice'])
  })
})

describe('what it is read from', () => {
  it('titles, of tables too, and no other strings', () => {
    const text = `
      it('one', () => {})
      it.each([1, 2])('two %i', () => {})
      it.each([
        ['x', 1],
      ] as const)(
        'three',
        async () => {},
      )
      test("it's four", () => {})
      const five = "it('five', ...)"
      describe('six', () => { expect(text('seven', 1)).toBe(1) })
      it('eight \\'so\\'', () => {})`
    expect(titlesOf('x', text).map(({ title }) => title)).toEqual(['one', 'two %i', 'three', "it's four", "eight 'so'"])
  })

  it('tags, of which a short one stands in the section before it', () => {
    const read = tagsOf('[rfc5681#4.2] [rfc9293#3.8.6 MUST-35] [MAY-7] shrinks [x] [rfc9293#3.6 case 1] [SHLD-3]')
    expect(read.map(({ rfc, section, id }) => `${rfc}#${section} ${id}`)).toEqual([
      'rfc5681#4.2 ',
      'rfc9293#3.8.6 MUST-35',
      'rfc9293#3.8.6 MAY-7',
      'rfc9293#3.6 ',
      'rfc9293#3.6 SHLD-3',
    ])
  })

  it('cells, quoted or not', () => {
    expect(parseCsv('a,,c\n"x, y","say ""so""",\n')).toEqual([
      ['a', '', 'c'],
      ['x, y', 'say "so"', ''],
    ])
  })

  it('anchors, of which a test of a part is a test of the whole', () => {
    const anchors = ['rfc1#1', 'rfc1#2.3', 'rfc1#4', 'rfc1#10'].map((name) => ({ name, files: ['src/a.ts'] }))
    const tags = "it('[rfc1#1.2] [rfc1#2] [rfc1#4] [rfc2#1] x', () => {})"
    const { tested: with_, untested, loose } = compareAnchors(anchors, titlesOf('test/a.test.ts', tags))
    const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name)
    expect([with_, untested, loose].map(names)).toEqual([['rfc1#1', 'rfc1#4'], ['rfc1#2.3', 'rfc1#10'], ['rfc2#1']])
    expect(names(readAnchors())).toEqual(expect.arrayContaining(['rfc9293#3.10.7.4', 'rfc9293#3.10.5']))
  })

  it('outcomes, of which the worst counts', () => {
    const outcome = (...statuses: string[]): Outcome => ({
      endless: false,
      tests: [
        {
          name: '/somewhere/test/a.test.ts',
          assertionResults: statuses.map((status, i) => ({ title: `[rfc9293#3.1 MUST-1] reads ${i}`, status })),
        },
      ],
    })
    const read = (...statuses: string[]): Verdict =>
      verdictsOf(outcome(...statuses), 'test/a.test.ts: [rfc9293#3.1 MUST-1] reads %s')
    expect([read('passed', 'passed'), read('passed', 'failed'), read(), read('skipped')]).toEqual([
      Verdict.Passed,
      Verdict.Failed,
      Verdict.Absent,
      Verdict.Absent,
    ])
    expect(verdictsOf({ endless: true, tests: [] }, 'test/a.test.ts: x')).toBe(Verdict.Endless)
  })
})

describe('the ways to break a rule', () => {
  it('are known for every rule that is tested, and for no other', () => {
    expect(Object.keys(breaks)).toEqual(tested.map(({ id }) => id))
  })

  it('stand once in the code that there is, and change it', () => {
    const wrong = Object.entries(breaks).flatMap(([id, { file, find, replace }]) => {
      const times = readFileSync(join(ROOT, file), 'utf8').split(find).length - 1
      return times === 1 && find !== replace ? [] : [`${id}: ${times} times in ${file}: ${find}`]
    })
    expect(wrong).toEqual([])
  })
})
