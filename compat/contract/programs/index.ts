import type { Program, Programs } from '../program.ts'

/** The themes, as they are run and shown. Each loads when asked for: a process that runs one program needs one. */
const themes: Readonly<Record<string, () => Promise<{ programs: Programs }>>> = {
  connecting: () => import('./connecting.ts'),
  arguments: () => import('./arguments.ts'),
  names: () => import('./names.ts'),
  addresses: () => import('./addresses.ts'),
  listening: () => import('./listening.ts'),
  serving: () => import('./serving.ts'),
  writing: () => import('./writing.ts'),
  reading: () => import('./reading.ts'),
  'half-open': () => import('./half-open.ts'),
  failing: () => import('./failing.ts'),
  reusing: () => import('./reusing.ts'),
  waiting: () => import('./waiting.ts'),
  streams: () => import('./streams.ts'),
  hooks: () => import('./hooks.ts'),
  shape: () => import('./shape.ts'),
  riding: () => import('./riding.ts'),
  pipes: () => import('./pipes.ts'),
  newer: () => import('./newer.ts'),
}

/** The program called `theme: name`. */
export async function findProgram(name: string): Promise<Program | undefined> {
  const at = name.indexOf(': ')
  const load = themes[name.slice(0, at)]
  return load === undefined ? undefined : (await load()).programs[name.slice(at + 2)]
}

/** All programs by `theme: name`. */
export async function allPrograms(): Promise<Map<string, Program>> {
  const all = new Map<string, Program>()
  for (const [theme, load] of Object.entries(themes)) {
    const { programs } = await load()
    for (const [name, program] of Object.entries(programs)) all.set(`${theme}: ${name}`, program)
  }
  return all
}
