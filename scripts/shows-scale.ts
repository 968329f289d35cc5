// Very many connections: what they cost while they do nothing, and while they all work.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Talker } from './talker.ts'

type Verdict = (ok: boolean, text: string) => void

const IDLE = 'test/support/programs/idle.ts'
const MANY = 'test/support/programs/many.ts'
/** One pair of ports has 28,232 ephemeral ones between two addresses. */
const PER_PORT = 15_000
/** As in many.ts. */
const PIECE = 16_384

/** What is measured is what is installed: run from source, functions are heavier, for each keeps its name. */
function build(): string {
  const root = new URL('..', import.meta.url).pathname
  const folder = join(root, 'node_modules/.cache/sluice-shows')
  const command = ['--import', 'tsx', join(root, 'scripts/build.ts'), folder, '--bundle']
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed')
  return join(folder, 'sluice.cjs')
}

/** How long the collector goes on after a program has become quiet (V8: MemoryReducer). */
const COLLECTOR_MS = 30_000

/** Resident bytes of an idle connection's end, both sides, and the CPU time of `seconds` in which nothing happens. */
export async function idle(verdict: Verdict, count = 100_000, seconds = 20): Promise<void> {
  const ports = Math.ceil(count / PER_PORT)
  // What the first connections bring with them, code above all, belongs to none.
  const warmup = Math.floor(count / 50)
  const env = { SLUICE: build() }
  const server = new Talker(IDLE, ['serve', ports], env, ['--expose-gc'])
  const client = new Talker(IDLE, ['connect'], env, ['--expose-gc'])
  try {
    const list = await server.heard('ports')
    await client.heard('ready')
    await client.ask(`open ${warmup} ${list}`, 'opened')
    const ends = { server, client }
    const before = { server: await resident(server), client: await resident(client) }
    const [opened, ms] = (await client.ask(`open ${count - warmup} ${list}`, 'opened')).split(' ').map(Number) as [
      number,
      number,
    ]
    const perSecond = Math.round(((count - warmup) / ms) * 1000)
    verdict(opened === count, `idle: ${opened} connections to ${ports} ports, ${perSecond} opened a second`)
    // What was under way settles: the last handshakes, delayed ACKs, the collector.
    await sleep(2000)
    for (const [name, end] of Object.entries(ends)) {
      const after = await resident(end)
      const { bytes, held } = before[name as keyof typeof ends]
      const each = (after.bytes - bytes) / (after.held - held)
      verdict(after.held === count && each <= 5000, `idle: ${(each / 1000).toFixed(2)} KB resident each, ${name}`)
    }
    // V8 collects up to three times more once a program is quiet, 8 s apart: that is what opening them left, not what holding them costs.
    await sleep(COLLECTOR_MS)
    for (const end of Object.values(ends)) end.say(`cpu ${seconds * 1000}`)
    for (const [name, end] of Object.entries(ends)) {
      const share = Number(await end.heard('busy'))
      verdict(share < 0.01, `idle: ${(share * 100).toFixed(2)} % of a core with ${count} of them, ${name}`)
    }
  } finally {
    await Promise.all([server.kill(), client.kill()])
  }
}

async function resident(end: Talker): Promise<{ held: number; bytes: number }> {
  const [held, bytes] = (await end.ask('memory', 'resident')).split(' ').map(Number) as [number, number]
  return { held, bytes }
}

/** CPU time of both ends for each byte, with few connections at work and with many. */
export async function many(verdict: Verdict, few = 10, count = 10_000, megabytes = 500): Promise<void> {
  const costs: number[] = []
  for (const connections of [few, count]) {
    const server = new Talker(MANY, ['serve', Math.ceil(connections / PER_PORT)])
    const client = new Talker(MANY, ['connect', connections, ...(await server.heard('ports')).split(' ')])
    try {
      await client.heard('ready')
      const rounds = Math.ceil((megabytes * 1e6) / connections / PIECE)
      // Code is compiled, buffers have grown.
      await transfer(server, client, Math.ceil(rounds / 2))
      const { bytes, cpu } = await transfer(server, client, rounds)
      costs.push(cpu / (bytes / 1e9))
      const text = `${(bytes / 1e6).toFixed(0)} MB in turn on ${connections} connections: ${costs.at(-1)?.toFixed(2)} CPU s/GB`
      verdict(bytes === rounds * connections * PIECE, `many: ${text}`)
    } finally {
      await Promise.all([server.kill(), client.kill()])
    }
  }
  const ratio = (costs[1] as number) / (costs[0] as number)
  verdict(ratio <= 1.5, `many: a byte on ${count} connections costs ${ratio.toFixed(2)} times what it does on ${few}`)
}

/** What the server got, and what both spent on it. */
async function transfer(server: Talker, client: Talker, rounds: number): Promise<{ bytes: number; cpu: number }> {
  const taken = async (): Promise<[number, number, number]> =>
    (await server.ask('count', 'count')).split(' ').map(Number) as [number, number, number]
  const [, bytesBefore, cpuBefore] = await taken()
  const sending = Number(await client.ask(`send ${rounds}`, 'sent'))
  const [, bytes, cpu] = await taken()
  return { bytes: bytes - bytesBefore, cpu: sending + cpu - cpuBefore }
}
