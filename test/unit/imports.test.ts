import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const SRC = resolve(import.meta.dirname, '../../src')

/** What each folder may import: a folder by its index, or a file by its name. A type counts as much as a value. */
const ALLOWED: Record<string, readonly string[]> = {
  wire: [],
  congestion: [],
  observe: ['wire', 'wire/segment'],
  impair: ['wire'],
  tcp: ['wire', 'congestion', 'observe/tracer'],
  tunnel: ['wire', 'wire/frame', 'impair', 'observe/tracer'],
  stack: ['wire', 'wire/frame', 'congestion', 'observe', 'observe/tracer', 'impair', 'tcp', 'tunnel'],
  net: ['stack'],
  register: ['net', 'stack', 'observe'],
  gateway: ['net', 'stack'],
  proxy: ['gateway', 'net', 'stack'],
  run: ['gateway', 'register', 'net', 'stack', 'observe', 'observe/tracer', 'wire'],
  cli: ['run', 'register/rules', 'gateway', 'proxy', 'net', 'stack', 'observe', 'wire', 'lab'],
  testing: ['net', 'stack', 'observe', 'impair', 'wire', 'wire/frame'],
  lab: ['testing', 'testing/sim/flows', 'net', 'stack', 'observe', 'impair', 'wire'],
  // The package entry, src/index.ts.
  '.': ['gateway', 'net', 'stack', 'congestion'],
}

/** Who may touch Node, and packages. In observe it is the writers; the tracer's interface belongs to the core. */
const mayUseNode = ({ from, value }: Import): boolean =>
  ['tunnel', 'stack', 'net', 'register', 'gateway', 'proxy', 'run', 'cli', 'testing', 'lab'].includes(folderOf(from)) ||
  (folderOf(from) === 'observe' && from !== 'observe/tracer.ts') ||
  // The entry hands on the types of Node's own net.
  (from === 'index.ts' && !value)

interface Import {
  readonly from: string
  /** Path below src for our own files, else the specifier as written. */
  readonly to: string
  readonly own: boolean
  /** Evaluated when the importing file is: neither `import type` nor `import()`. */
  readonly value: boolean
}

const folderOf = (file: string): string => dirname(file).split('/')[0] as string
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => file.endsWith('.ts'))
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(SRC, file), 'utf8')))
const ours = imports.filter(({ own }) => own)

function importsOf(from: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: string, value: boolean): void => {
    const own = specifier.startsWith('.')
    const to = own
      ? relative(SRC, resolve(SRC, dirname(from), specifier))
          .split(sep)
          .join('/')
      : specifier
    found.push({ from, to, own, value })
  }
  for (const [, type, to] of text.matchAll(
    /^(?:import|export)(\s+type)?\s+(?:[\w$*,\s]|\{[^}]*\})+?\sfrom\s+'([^']+)'/gm,
  )) {
    add(to as string, type === undefined)
  }
  for (const [, to] of text.matchAll(/^import\s+'([^']+)'/gm)) add(to as string, true)
  for (const [, to] of text.matchAll(/\bimport\(\s*'([^']+)'/g)) add(to as string, false)
  // A form that the first pattern does not know must not slip through.
  const mentioned = text.matchAll(/^(?!\s*(?:\/\/|\/?\*)).*\sfrom '[^']+'/gm)
  expect(found.length, `imports understood in ${from}`).toBeGreaterThanOrEqual([...mentioned].length)
  return found
}

const list = (some: readonly Import[]): string[] => some.map(({ from, to }) => `${from} -> ${to}`)

describe('imports', () => {
  it('are read', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(list(ours)).toContain('tcp/host.ts -> wire/index.ts')
  })

  it('point down only, to the index of a folder', () => {
    const wrong = ours.filter(({ from, to }) => {
      if (folderOf(to) === folderOf(from) || to === '../package.json') return false
      const target = to.replace(/\.ts$/, '').replace(/\/index$/, '')
      return !ALLOWED[folderOf(from)]?.includes(target)
    })
    expect(list(wrong)).toEqual([])
  })

  it('name files that exist, with their extension', () => {
    expect(list(ours.filter(({ to }) => !files.includes(to) && to !== '../package.json'))).toEqual([])
  })

  it('reach Node and packages only where input and output are made', () => {
    expect(list(imports.filter((one) => !one.own && !mayUseNode(one)))).toEqual([])
  })

  it('name built-ins by node:, and only packages that are installed with this one', () => {
    const known = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
    const wrong = imports.filter(({ to, own }) => !own && !to.startsWith('node:') && !known.includes(to))
    expect(list(wrong)).toEqual([])
  })

  it('make no circle of values, not even inside a folder', () => {
    const next = (file: string): string[] =>
      ours.filter(({ from, value }) => value && from === file).map(({ to }) => to)
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (path.includes(file) || done.has(file)) return
      for (const to of next(file)) visit(to, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(circles).toEqual([])
  })
})
