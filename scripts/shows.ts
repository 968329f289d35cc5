/**
 * What is too large for every run of the tests, each checked: transfers on real sockets, and what listening and closing have to bear.
 *
 *     npx tsx scripts/shows.ts [NAME …]      all of them by default, some minutes on a quiet machine
 *
 * Names: file, wrap, stock, impaired, flood; syn-flood, accept-queue, fast-open, time-wait, ports, old-duplicates, closing;
 * gateway, register; idle, many, cluster, nginx.
 *
 * The exit status is 0 only if all was as it should be.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StackOptions } from '../src/index.ts'
import type { BulkResult } from '../test/support/programs/bulk.ts'
import { cluster, nginx } from './shows-balance.ts'
import { flood } from './shows-flood.ts'
import { gateway } from './shows-gateway.ts'
import { acceptQueue, closing, fastOpen, oldDuplicate, ports, synFlood, timeWait } from './shows-listening.ts'
import { register } from './shows-register.ts'
import { idle, many } from './shows-scale.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
/** SO_RCVBUF that reads back as 212,992, what Linux gives who asks for nothing: it doubles what is asked for. */
const STOCK = 212_992 / 2

const root = new URL('..', import.meta.url).pathname
let failures = 0

function verdict(ok: boolean, text: string): void {
  if (!ok) failures++
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${text}`)
}

function skip(why: string): void {
  console.log(`skip ${why}`)
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

// ---- processes

interface Running {
  child: ChildProcess
  /** The rest of the first line that begins with a word. */
  said(word: string): Promise<string>
  exited: Promise<number | null>
}

function run(file: string, ...args: string[]): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let wake = (): void => {}
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    lines.push(line)
    wake()
  })
  let over = false
  const exited = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      over = true
      wake()
      resolve(code)
    })
  })
  const said = async (word: string): Promise<string> => {
    for (;;) {
      const line = lines.find((line) => line.startsWith(`${word} `))
      if (line !== undefined) return line.slice(word.length + 1)
      if (over) throw new Error(`${file} never said '${word}':\n${lines.join('\n')}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { child, said, exited }
}

/** The largest resident set that a process has had, bytes; 0 once it is gone. */
function peakRss({ child }: Running): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

async function bulk(
  size: number,
  client: StackOptions,
  server: StackOptions = client,
): Promise<{ sent: BulkResult; received: BulkResult; right: boolean }> {
  const program = 'test/support/programs/bulk.ts'
  const receiver = run(program, 'serve', JSON.stringify(server))
  const sender = run(program, 'send', JSON.stringify(client), await receiver.said('port'), String(size))
  const sent = JSON.parse(await sender.said('result')) as BulkResult
  const received = JSON.parse(await receiver.said('result')) as BulkResult
  await Promise.all([sender.exited, receiver.exited])
  return { sent, received, right: received.bytes === size && sent.digest === received.digest }
}

const rate = ({ bytes, seconds }: BulkResult): string => `${(bytes / seconds / 1e6).toFixed(0)} MB/s`

// ---- what is shown

/** A file of a gibibyte through the example, memory flat. */
async function file(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-shows-'))
  try {
    const path = join(directory, 'gibibyte')
    const digest = makeFile(path, GIB)
    const target = mkdtempSync(join(directory, 'received-'))
    const receiver = run('examples/file-transfer.ts', 'receive', target, '0')
    const port = (await receiver.said('listening on port')).trim()
    const began = performance.now()
    const sender = run('examples/file-transfer.ts', 'send', path, port)
    let [sending, receiving] = [0, 0]
    const watch = setInterval(() => {
      sending = Math.max(sending, peakRss(sender))
      receiving = Math.max(receiving, peakRss(receiver))
    }, 20)
    const code = await sender.exited
    const seconds = (performance.now() - began) / 1000
    clearInterval(watch)
    receiving = Math.max(receiving, peakRss(receiver))
    const right = code === 0 && digestOf(join(target, 'gibibyte')) === digest
    receiver.child.kill()
    await receiver.exited
    const memory = `peak RSS ${mb(sending)} and ${mb(receiving)}`
    verdict(right, `file: 1 GiB through examples/file-transfer.ts in ${seconds.toFixed(1)} s, digest equal`)
    verdict(sending < 200e6 && receiving < 200e6, `file: ${memory}, below 200 MB`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** 5 GiB: once around the sequence numbers, and memory given back. */
async function wrap(): Promise<void> {
  const { sent, received, right } = await bulk(5 * GIB, {})
  verdict(right, `wrap: 5 GiB, ${rate(sent)}, digests equal`)
  for (const [name, { peakRss, usedBefore, usedAfter }] of Object.entries({ sender: sent, receiver: received })) {
    const text = `${mb(usedBefore)} in use before, ${mb(usedAfter)} after, peak RSS ${mb(peakRss)}`
    // The sender keeps buffers for its next datagrams, 6.5 MiB of them.
    verdict(usedAfter - usedBefore < 12 * MIB, `wrap: the ${name} gives its memory back: ${text}`)
  }
}

/** 256 MiB into the stock receive buffer, in each size of segment: what overflows it is loss of our own making. */
async function stock(): Promise<void> {
  for (const mtu of ['auto', 1500, 4000, 9000, 16_384, 32_768, 65_535] as const) {
    const { sent, received, right } = await bulk(256 * MIB, { recvBufferSize: STOCK, mtu })
    const out = sent.counters.UdpOutDatagrams
    const lost = out - received.counters.UdpInDatagrams
    const text = `mtu ${mtu} (MSS ${sent.mss}): ${lost} of ${out} datagrams lost, ${sent.counters.RetransSegs} segments sent again`
    verdict(right && lost < out / 1000, `stock: ${text}, ${rate(sent)}`)
  }
}

/** 4 MiB across each kind of bad path. */
async function impaired(): Promise<void> {
  const kinds: Record<string, NonNullable<StackOptions['impair']>> = {
    '5 % loss': { out: { loss: 0.05 } },
    '20 % reordering by 5 ms': { out: { reorder: { probability: 0.2, by: 5 } } },
    '5 % duplication': { out: { duplicate: 0.05 } },
    '2 % of each with 30 ms jitter': {
      out: { loss: 0.02, reorder: 0.02, duplicate: 0.02, corrupt: 0.02, delay: 30, jitter: 30 },
    },
    '1 % corruption': { out: { corrupt: 0.01 } },
  }
  for (const [name, impair] of Object.entries(kinds)) {
    const { sent, right } = await bulk(4 * MIB, { impair, seed: 1 }, { impair, seed: 2 })
    verdict(right, `impaired: 4 MiB, ${name} each way: ${sent.seconds.toFixed(1)} s, digests equal`)
  }
}

function makeFile(path: string, size: number): string {
  const hash = createHash('sha256')
  const block = randomFillSync(Buffer.alloc(16 * MIB))
  const descriptor = openSync(path, 'w')
  for (let at = 0; at < size; at += block.length) {
    block.writeDoubleLE(at, 0)
    hash.update(block)
    writeSync(descriptor, block)
  }
  closeSync(descriptor)
  return hash.digest('hex')
}

const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

const shows: Record<string, () => Promise<void>> = {
  file,
  wrap,
  stock,
  impaired,
  flood: () => flood(verdict, { run: (...args) => run('test/support/programs/bulk.ts', ...args) }),
  'syn-flood': () => synFlood(verdict),
  'accept-queue': () => acceptQueue(verdict),
  'fast-open': () => fastOpen(verdict),
  'time-wait': () => timeWait(verdict),
  ports: () => ports(verdict),
  'old-duplicates': () => oldDuplicate(verdict),
  closing: () => closing(verdict),
  gateway: () => gateway(verdict, skip),
  register: () => register(verdict),
  idle: () => idle(verdict),
  many: () => many(verdict),
  cluster: () => cluster(verdict),
  nginx: () => nginx(verdict, skip),
}
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(shows, name))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(shows).join(', ')}`)
  process.exit(2)
}
for (const [name, show] of Object.entries(shows)) {
  if (wanted.length === 0 || wanted.includes(name)) await show()
}
process.exitCode = failures > 0 ? 1 : 0
