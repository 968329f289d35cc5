/** Writes docs/sysctl.md from the table of parameters, and the table of docs/experiments.md from the lab; with --check only says whether they are up to date. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { CHAPTERS, experiments } from '../src/lab/index.ts'
import { sysctlKey, sysctlNames, sysctlRange, sysctlTable } from '../src/stack/index.ts'
import { writeTestsPage } from './sysctl-tests.ts'

const FILE = path.join(import.meta.dirname, '../docs/sysctl.md')

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** The page: one table, in the order of the source. */
export function sysctlPage(): string {
  const rows = sysctlNames.map((name) => {
    const row = sysctlTable[name]
    const value = Array.isArray(row.default) ? row.default.join(' ') : String(row.default)
    const scope = row.scope === 'connection' ? 'stack, connection' : 'stack'
    return `| \`${sysctlKey(name)}\` | ${value} | ${cell(sysctlRange(name))} | ${scope} | ${cell(row.meaning)} | ${cell(row.source)} |`
  })
  return `# Parameters

Generated from [\`src/stack/sysctl-table.ts\`](../src/stack/sysctl-table.ts) by \`npm run docs\`; do not edit.

The prefix may be left out. A stack gets its parameters from \`new Stack({ sysctl: { tcp_retries2: 8 } })\`, and while it runs by
\`stack.sysctl.tcp_retries2 = 8\`; the default stack also from the environment, \`SLUICE_SYSCTL="tcp_retries2=8 tcp_sack=0"\`. \`sluice sysctl -a\`
shows them. A name that there is not, or a value out of range, is an error that says why, and changes nothing. Defaults of \`tcp_mem\` and
\`max_paths\` depend on the machine. What they do for a server under load: [listening.md](listening.md).

| name | default | values | scope | what it decides | source |
|---|---|---|---|---|---|
${rows.join('\n')}
`
}

const EXPERIMENTS = path.join(import.meta.dirname, '../docs/experiments.md')
const MARK = '<!-- Below here generated from src/lab by `npm run docs`. -->\n'

/** The page with its tables anew: all that stands behind the mark. */
export function experimentsPage(before: string): string {
  const chapters = CHAPTERS.map((chapter) => {
    const rows = experiments
      .filter((one) => one.chapter === chapter)
      .map(({ name, setting, shows }) => `| \`${name}\` | ${cell(setting)} | ${cell(shows)} |`)
    return `\n### ${chapter}\n\n| name | set-up | what it shows |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return `${before.slice(0, before.indexOf(MARK))}${MARK}${chapters.join('')}`
}

if (process.argv[1] === import.meta.filename) {
  const pages: readonly [file: string, page: string][] = [
    [FILE, sysctlPage()],
    [EXPERIMENTS, experimentsPage(readFileSync(EXPERIMENTS, 'utf8'))],
  ]
  if (process.argv.includes('--check')) {
    for (const [file, page] of pages) {
      if (existsSync(file) && readFileSync(file, 'utf8') === page) continue
      console.error(`docs/${path.basename(file)} is not up to date: npm run docs`)
      process.exitCode = 1
    }
  } else {
    mkdirSync(path.dirname(FILE), { recursive: true })
    for (const [file, page] of pages) writeFileSync(file, page)
    writeTestsPage()
  }
}
