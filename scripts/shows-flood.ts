/** What `shows.ts` shows of a transfer under fire: segments out of window in the peer's name (rfc5961), 10,000 a second. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import { Rng } from '../src/impair/index.ts'
import { encodeHeader, Flag, FrameKind, Segment, toSeq, writeChecksum, writeShim } from '../src/wire/index.ts'
import type { BulkResult } from '../test/support/programs/bulk.ts'
import type { Verdict } from './shows-listening.ts'

export interface Processes {
  run(...args: string[]): { said(word: string): Promise<string>; exited: Promise<number | null> }
}

const SIZE = 256 * 2 ** 20
const ROUNDS = 3
const PER_MS = 10
const SHIM = 4
const HEADER = 20

/** A segment that a live connection cannot take for its peer's, but by a chance of one in hundreds: its window is small beside 2³². */
function shot(rng: Rng, srcPort: number, dstPort: number): Buffer {
  const out = new Segment()
  out.srcPort = srcPort
  out.dstPort = dstPort
  out.flags = [Flag.RST, Flag.SYN, Flag.ACK][rng.nextInt(3)]
  out.seq = toSeq(rng.nextInt(2 ** 32))
  out.ack = toSeq(rng.nextInt(2 ** 32))
  const payload = out.flags === Flag.ACK ? 1 + rng.nextInt(100) : 0
  const bytes = Buffer.alloc(SHIM + HEADER + payload)
  encodeHeader(out, bytes, SHIM)
  writeChecksum(bytes, SHIM, bytes.length)
  writeShim(bytes, 0, FrameKind.Segment, bytes.length - SHIM)
  return bytes
}

/** Fires from `from` at `to` until told to stop, and says how many shots that were. */
async function fire(from: number, to: number, srcPort: number, dstPort: number): Promise<() => number> {
  const rng = new Rng(from)
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  socket.on('error', () => {})
  socket.bind({ port: from, address: '127.0.0.1', exclusive: true })
  await once(socket, 'listening')
  const began = performance.now()
  let shots = 0
  const timer = setInterval(() => {
    const due = (performance.now() - began) * PER_MS
    for (; shots < due; shots++) socket.send(shot(rng, srcPort, dstPort), to, '127.0.0.1')
  }, 1)
  return () => {
    clearInterval(timer)
    socket.close()
    return shots
  }
}

async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

export async function flood(verdict: Verdict, { run }: Processes): Promise<void> {
  const rates: Record<'aimed' | 'aside', number[]> = { aimed: [], aside: [] }
  let challenges = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (const where of ['aside', 'aimed'] as const) {
      const receiver = run('serve', '{}')
      const port = Number(await receiver.said('port'))
      const from = await freePort()
      const bystander = dgram.createSocket('udp4')
      bystander.bind(0, '127.0.0.1')
      await once(bystander, 'listening')
      const to = where === 'aimed' ? port : bystander.address().port
      const stop = await fire(from, to, from, port)
      const began = performance.now()
      const sender = run('send', '{}', String(port), String(SIZE), String(from))
      const sent = JSON.parse(await sender.said('result')) as BulkResult
      const shots = stop()
      bystander.close()
      const perSecond = (shots / (performance.now() - began)) * 1000
      const received = JSON.parse(await receiver.said('result')) as BulkResult
      await Promise.all([sender.exited, receiver.exited])
      const right = received.bytes === SIZE && received.digest === sent.digest
      rates[where].push(sent.bytes / sent.seconds)
      const { TCPChallengeACK = 0, TCPACKSkippedSeq = 0 } = received.counters
      if (where === 'aimed') challenges = Math.max(challenges, TCPChallengeACK / sent.seconds)
      const answers = `${TCPChallengeACK} challenge ACKs, ${TCPACKSkippedSeq} withheld`
      const text = `${(sent.bytes / sent.seconds / 1e6).toFixed(0)} MB/s under ${perSecond.toFixed(0)} shots a second ${where}; ${answers}`
      verdict(right, `flood: 256 MiB, digests equal, ${text}`)
    }
  }
  const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[ROUNDS >> 1]
  const ratio = median(rates.aimed) / median(rates.aside)
  verdict(
    ratio >= 0.8,
    `flood: throughput ${ratio.toFixed(2)} times that under the same fire at another port, above 0.8`,
  )
  verdict(
    challenges <= 1000,
    `flood: ${challenges.toFixed(0)} challenge ACKs a second, tcp_challenge_ack_limit is 1000`,
  )
}
