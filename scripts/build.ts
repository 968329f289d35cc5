/**
 * Builds `dist`. The implementation is one CommonJS build, and the ESM entry re-exports it by name: `import` and `require` in
 * one process must share classes and the default stack (two copies would be two hosts that fight over the same ports).
 *
 *     dist/sluice.cjs        the implementation, as compiled from src/index.ts
 *     dist/index.{cjs,mjs}   what `require` and `import` load: `net`'s own object with the further names on it
 *     dist/cli.cjs           the command; its subcommands are chunks of their own, loaded when asked for
 *     dist/lib/              chunks that entries share
 *     dist/types/            declarations, one per source file, CommonJS as the implementation is
 *     dist/index.d.{cts,mts} their two entries
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const manifest: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

rmSync(dist, { recursive: true, force: true })
mkdirSync(join(dist, 'types'), { recursive: true })
const exported = await compile()
writeEntries(exported)
writeDeclarations()

/** Bundles the entries, and returns the names that the package entry exports. */
async function compile(): Promise<string[]> {
  const bundle = await rolldown({
    cwd: root,
    input: { sluice: 'src/index.ts', cli: 'src/cli/index.ts' },
    platform: 'node',
    external: [/^node:/, ...Object.keys(manifest.dependencies)],
    // Entries export what their source does and nothing for the sake of other chunks.
    preserveEntrySignatures: 'strict',
    onLog(level, log, defaultHandler) {
      if (level === 'warn') throw new Error(log.message)
      defaultHandler(level, log)
    },
  })
  const { output } = await bundle.write({
    dir: dist,
    format: 'cjs',
    strict: true,
    exports: 'named',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'lib/[name].cjs',
  })
  await bundle.close()
  chmodSync(join(dist, 'cli.cjs'), 0o755)
  const entry = output.find((chunk) => chunk.type === 'chunk' && chunk.fileName === 'sluice.cjs')
  if (entry?.type !== 'chunk') throw new Error('no chunk was made for the package entry')
  return entry.exports.filter((name) => name !== 'default').sort()
}

function writeEntries(names: string[]): void {
  // One object for everybody, so that what a test stubs on `require('sluice')` is stubbed for `import net` too, as with `net`.
  const own = Object.keys(createRequire(import.meta.url)(join(dist, 'sluice.cjs')).default)
  const further = names.filter((name) => !own.includes(name))
  write('index.cjs', [
    `'use strict'`,
    `const sluice = require('./sluice.cjs')`,
    'const net = sluice.default',
    ...further.map((name) => `net.${name} = sluice.${name}`),
    `Object.defineProperty(net, '__esModule', { value: true })`,
    `Object.defineProperty(net, 'default', { value: net })`,
    'module.exports = net',
  ])
  write('index.mjs', [
    `import net from './index.cjs'`,
    'export default net',
    'export const {',
    ...names.map((name) => `  ${name},`),
    '} = net',
  ])
}

function writeDeclarations(): void {
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace(/package\.json$/, 'bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  // The compiler has said why.
  if (status !== 0) process.exit(1)
  write('types/package.json', ['{ "type": "commonjs" }'])
  write('index.d.cts', [`import sluice = require('./types/index.js')`, 'export = sluice'])
  write('index.d.mts', [`export { default } from './types/index.js'`, `export * from './types/index.js'`])
}

function write(path: string, lines: string[]): void {
  writeFileSync(join(dist, path), `${lines.join('\n')}\n`)
}
