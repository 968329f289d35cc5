/** What `shows.ts` shows of `sluice/register`: an application as it is, and no TCP socket of the kernel's. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { readCapture, segmentsOf } from '../src/observe/index.ts'
import { selfSigned } from '../test/support/certificate.ts'
import type { Verdict } from './shows-listening.ts'

const root = new URL('..', import.meta.url).pathname
const PACKAGES = ['express', 'ws']
const SYN = 2
const ACK = 16

/** The application with and without `--import sluice/register`: what it says is the same, what the kernel sees is not. */
export async function register(verdict: Verdict): Promise<void> {
  if (process.platform !== 'linux') {
    verdict(true, 'register: the socket table is that of Linux; nothing to see here')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-shows-'))
  try {
    prepare(folder)
    const plain = await run(folder, [], {})
    const capture = join(folder, 'capture.pcapng')
    const registered = await run(folder, ['--import', 'sluice/register'], { SLUICE_CAPTURE: capture })
    for (const line of registered.said) console.log(`     ${line}`)
    const same = JSON.stringify(plain.said.map(withoutPort)) === JSON.stringify(registered.said.map(withoutPort))
    verdict(
      same && registered.said.length === 4,
      'register: express, https, http2 and ws say the same with and without',
    )
    const { tcp, udp } = registered.sockets
    verdict(
      tcp === 0 && udp > 0 && plain.sockets.tcp > 0 && plain.sockets.udp === 0,
      `register: sockets of the process: without ${sockets(plain)}; with it ${sockets(registered)}`,
    )
    const seen = connectionsIn(capture)
    const ports = registered.said.map((line) => Number(line.split(' ')[1]))
    const each = ports.map((port) => `${seen.get(port) ?? 0} to ${port}`).join(', ')
    verdict(
      ports.every((port) => (seen.get(port) ?? 0) > 0),
      `register: the capture has connections opened by sluice: ${each}`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const withoutPort = (line: string): string => line.replace(/ \d+/, '')
const sockets = ({ sockets: { tcp, udp } }: Outcome): string => `${tcp} TCP, ${udp} UDP`

/** A folder with the application, its packages, and sluice as it would be installed. */
function prepare(folder: string): void {
  cpSync(join(root, 'scripts/shows-register-app.mjs'), join(folder, 'app.mjs'))
  const { key, cert } = selfSigned()
  writeFileSync(join(folder, 'key.pem'), key)
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const modules = join(folder, 'node_modules')
  const installed = join(root, 'compat/packages/node_modules')
  if (PACKAGES.every((name) => existsSync(join(installed, name)))) {
    mkdirSync(modules)
    for (const name of PACKAGES) symlinkSync(join(installed, name), join(modules, name))
  } else {
    command('npm', ['install', '--no-audit', '--no-fund', '--silent', ...PACKAGES], folder)
  }
  const own = join(modules, 'sluice')
  mkdirSync(own)
  cpSync(join(root, 'package.json'), join(own, 'package.json'))
  // For what sluice needs itself.
  symlinkSync(join(root, 'node_modules'), join(own, 'node_modules'))
  command(process.execPath, ['--import', 'tsx', 'scripts/build.ts', join(own, 'dist'), '--bundle'], root)
}

function command(file: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}`)
}

interface Outcome {
  said: string[]
  sockets: { tcp: number; udp: number }
}

/** Runs it until it is ready, and looks at what it has open then. */
async function run(folder: string, flags: readonly string[], env: Record<string, string>): Promise<Outcome> {
  const child = spawn(process.execPath, [...flags, 'app.mjs'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    if (line === 'ready') break
    said.push(line)
  }
  const sockets = socketsOf(child)
  child.stdin?.end('\n')
  if (child.exitCode === null) await once(child, 'close')
  return { said, sockets }
}

/** The sockets of the process in the kernel's own table. */
function socketsOf({ pid }: ChildProcess): { tcp: number; udp: number } {
  const inodes = new Set<string>()
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
    if (inode !== undefined) inodes.add(inode)
  }
  const count = (...tables: string[]): number =>
    tables
      .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1))
      .filter((line) => inodes.has(line.trim().split(/\s+/)[9] as string)).length
  return { tcp: count('tcp', 'tcp6'), udp: count('udp', 'udp6') }
}

/** How many connections were opened to each port: the SYNs of distinct ports. */
function connectionsIn(capture: string): Map<number, number> {
  const clients = new Map<number, Set<number>>()
  for (const packet of readCapture(readFileSync(capture))) {
    for (const { buffer, start } of segmentsOf(packet)) {
      if ((buffer[start + 13] & (SYN | ACK)) !== SYN) continue
      const port = buffer.readUInt16BE(start + 2)
      const known = clients.get(port) ?? new Set()
      clients.set(port, known.add(buffer.readUInt16BE(start)))
    }
  }
  return new Map([...clients].map(([port, from]) => [port, from.size]))
}
