/** Writes docs/sysctl.md from the table of parameters; with --check only says whether it is up to date. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
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
\`max_paths\` depend on the machine.

| name | default | values | scope | what it decides | source |
|---|---|---|---|---|---|
${rows.join('\n')}
`
}

if (process.argv[1] === import.meta.filename) {
  const page = sysctlPage()
  if (process.argv.includes('--check')) {
    if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== page) {
      console.error('docs/sysctl.md is not up to date: npm run docs')
      process.exitCode = 1
    }
  } else {
    mkdirSync(path.dirname(FILE), { recursive: true })
    writeFileSync(FILE, page)
    writeTestsPage()
  }
}
