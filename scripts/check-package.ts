/**
 * Uses the package as its users do: builds and packs it, installs the tarball in an empty folder, and there imports it, requires it,
 * checks types against it and runs its command. See test/package. `dist` is not touched: somebody may be using it, or building it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
// Where the build finds the packages that it needs.
const source = join(root, 'node_modules/.cache', `sluice-package-${process.pid}`)
const failed: string[] = []

try {
  for (const file of ['package.json', ...manifest.files]) {
    if (file !== 'dist') cpSync(join(root, file), join(source, file), { recursive: true })
  }
  run(root, process.execPath, '--import', 'tsx', 'scripts/build.ts', join(source, 'dist'))
  npm(source, 'pack', '--ignore-scripts', '--pack-destination', folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const types = `@types/node@${manifest.devDependencies['@types/node']}`
  npm(folder, 'install', join(folder, `sluice-${manifest.version}.tgz`), types)
  cpSync(join(root, 'test/package'), folder, { recursive: true })

  check('import from ESM, one implementation with CommonJS', [process.execPath, 'import.mjs'], '')
  check('require from CommonJS', [process.execPath, 'require.cjs'], '')
  check('--import sluice/register', [process.execPath, '--import', 'sluice/register', 'untouched.mjs'], '')
  check('-r sluice/register', [process.execPath, '-r', 'sluice/register', 'untouched.mjs'], '')
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace(/package\.json$/, 'bin/tsc')
  const strict = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node']
  const compile = [process.execPath, tsc, ...strict]
  check('types, node16', [...compile, '--module', 'node16', 'types.mts', 'types.cts'], '')
  check('types, nodenext', [...compile, '--module', 'nodenext', 'types.mts', 'types.cts'], '')
  cpSync(join(folder, 'types.mts'), join(folder, 'types.ts'))
  check('types, bundler', [...compile, '--module', 'esnext', '--moduleResolution', 'bundler', 'types.ts'], '')
  check('npx sluice --version', ['npx', '--no-install', 'sluice', '--version'], `${manifest.version}\n`)
} finally {
  for (const made of [folder, source]) rmSync(made, { recursive: true, force: true })
}
process.exitCode = failed.length === 0 ? 0 : 1

function npm(cwd: string, ...args: string[]): void {
  run(cwd, 'npm', ...args, '--silent', '--no-audit', '--no-fund')
}

function run(cwd: string, file: string, ...args: string[]): void {
  const { status, error } = spawnSync(file, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw error ?? new Error(`${[file, ...args].join(' ')} ended with ${status}`)
}

/** Passes when the command ends well within a minute, prints exactly `expected`, and not one warning. */
function check(title: string, [file, ...args]: string[], expected: string): void {
  const env = { ...process.env, npm_config_loglevel: 'error' }
  const { status, signal, stdout, stderr } = spawnSync(file as string, args, {
    cwd: folder,
    encoding: 'utf8',
    env,
    timeout: 60_000,
  })
  const good = status === 0 && stdout === expected && stderr === ''
  if (!good) failed.push(title)
  console.log(good ? `ok      ${title}` : `FAILED  ${title}: ${signal ?? `status ${status}`}\n${stdout}${stderr}`)
}
