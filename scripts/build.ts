/**
 * Builds `dist`, or the folder that is named; with `--bundle` behind it without declarations. The implementation is one CommonJS
 * build, and the ESM entry re-exports it by name: `import` and `require` in one process must share classes and the default stack (two
 * copies would be two hosts that fight over the same ports).
 *
 *     dist/sluice.cjs        the implementation, as compiled from src/index.ts
 *     dist/index.{cjs,mjs}   what `require` and `import` load: `net`'s own object with the further names on it
 *     dist/register.{cjs,mjs} what `--import sluice/register` and `-r sluice/register` load
 *     dist/testing.{cjs,mjs} what `sluice/testing` loads, on the same implementation
 *     dist/run.cjs           what `sluice run` puts before the programs that it runs
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
import { lazyChunks } from './lazy-chunks.ts'
import { plainBuiltins } from './plain-builtins.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const dist = resolve(root, process.argv[2] ?? 'dist')
const manifest: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * Packages that come along. dgram-as-promised is a module of ES only, which nobody can require before Node 24.9 under jest; to find
 * eventemitter3 among the installed ones takes longer than to load it.
 */
const BUNDLED = ['dgram-as-promised', 'eventemitter3']

rmSync(dist, { recursive: true, force: true })
mkdirSync(join(dist, 'types'), { recursive: true })
const exported = await compile()
writeEntries(exported('sluice.cjs'))
for (const name of ['register', 'testing']) writeImportable(name, exported(`${name}.cjs`))
if (process.argv[3] !== '--bundle') writeDeclarations()

/** Bundles the entries, and returns what tells the names that one of them exports. */
async function compile(): Promise<(entry: string) => string[]> {
  const bundle = await rolldown({
    cwd: root,
    input: {
      sluice: 'src/index.ts',
      register: 'src/register/index.ts',
      testing: 'src/testing/index.ts',
      run: 'src/run/preload.ts',
      cli: 'src/cli/index.ts',
    },
    platform: 'node',
    external: [/^node:/, ...Object.keys(manifest.dependencies).filter((name) => !BUNDLED.includes(name))],
    // Entries export what their source does and nothing for the sake of other chunks.
    preserveEntrySignatures: 'strict',
    // What every program pays for at its start is what `sluice/register` needs to stand ready. Sockets and the stack come with the first
    // connection or server, what impairs or captures when it is asked for.
    plugins: [
      lazyChunks({
        net: ['register'],
        stack: ['net', 'register'],
        impair: ['stack'],
        observe: ['stack'],
        controllers: ['stack'],
      }),
      plainBuiltins(),
    ],
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
    // Nobody reads them here, and every start of a program would.
    comments: false,
    codeSplitting: {
      groups: [
        // Of what the stack and its late chunks have in common.
        { name: 'wire', test: /\/src\/(wire\/|congestion\/(options|pacer|reno)\.ts$)/, priority: 2 },
        // What takes Node's timers: before a program replaces them.
        {
          name: 'early',
          test: /\/src\/(stack\/(above|clock|exit)|observe\/capture-output|net\/(at-start|closing|cluster-worker|poll))\.ts$/,
          priority: 2,
        },
        // All but the one that connections have unless they ask for another.
        { name: 'controllers', test: /\/src\/congestion\/(bbr3?\/|fixed|vegas|westwood)/ },
        { name: 'impair', test: /\/src\/impair\// },
        { name: 'observe', test: /\/src\/observe\// },
      ],
    },
  })
  await bundle.close()
  chmodSync(join(dist, 'cli.cjs'), 0o755)
  return (name) => {
    const entry = output.find((chunk) => chunk.type === 'chunk' && chunk.fileName === name)
    if (entry?.type !== 'chunk') throw new Error(`no chunk was made for ${name}`)
    return entry.exports.filter((name) => name !== 'default').sort()
  }
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

/** The ESM entry of a CommonJS one, and the declarations of both. */
function writeImportable(name: string, exported: string[]): void {
  // Not by `import`: to find names in CommonJS, Node 22 loads a parser that takes 10 MB.
  write(`${name}.mjs`, [
    `import { createRequire } from 'node:module'`,
    'export const {',
    ...exported.map((one) => `  ${one},`),
    `} = createRequire(import.meta.url)('./${name}.cjs')`,
  ])
  for (const extension of ['d.cts', 'd.mts']) {
    write(`${name}.${extension}`, [`export * from './types/${name}/index.js'`])
  }
}

function writeDeclarations(): void {
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace(/package\.json$/, 'bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(dist, 'types')], {
    cwd: root,
    stdio: 'inherit',
  })
  // The compiler has said why.
  if (status !== 0) process.exit(1)
  write('types/package.json', ['{ "type": "commonjs" }'])
  write('index.d.cts', [`import sluice = require('./types/index.js')`, 'export = sluice'])
  write('index.d.mts', [`export { default } from './types/index.js'`, `export * from './types/index.js'`])
}

function write(path: string, lines: string[]): void {
  writeFileSync(join(dist, path), `${lines.join('\n')}\n`)
}
