// A transfer of any size from one process to another, digests taken on the fly, and what it cost.
//
//   bulk.ts serve OPTIONS              listens on 127.0.0.1, says `port N`; after one connection `result {…}`
//   bulk.ts send OPTIONS PORT SIZE [LOCALPORT]     sends SIZE bytes, says `result {…}`
//
// OPTIONS is JSON for `new Stack(…)`.

import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import { type Socket, Stack, type StackOptions } from '../../../src/index.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

export interface BulkResult {
  bytes: number
  digest: string
  /** Seconds from the first byte to the end of the connection. */
  seconds: number
  counters: Record<string, number>
  /** Bytes: the largest resident set, the resident set in the end, and what is in use before and after, garbage collected. */
  peakRss: number
  rss: number
  usedBefore: number
  usedAfter: number
  /** Of a sender: bytes in a segment. */
  mss: number
}

function used(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const [role, options, port, size, localPort] = process.argv.slice(2)
const stack = new Stack(JSON.parse(options) as StackOptions)
const hash = createHash('sha256')
const usedBefore = used()

async function report(socket: Socket, bytes: number, began: number, mss: number): Promise<void> {
  if (!socket.closed) await once(socket, 'close')
  const seconds = (performance.now() - began) / 1000
  // For the last segments of the other side, and for callbacks of ours that hold buffers.
  await sleep(300)
  const counters = stack.counters()
  const usedAfter = used()
  const rss = process.memoryUsage.rss()
  const peakRss = process.resourceUsage().maxRSS * 1024
  const digest = hash.digest('hex')
  const result: BulkResult = { bytes, digest, seconds, counters, peakRss, rss, usedBefore, usedAfter, mss }
  console.log(`result ${JSON.stringify(result)}`)
}

if (role === 'serve') {
  const server = stack.net.createServer((socket) => {
    const began = performance.now()
    let bytes = 0
    socket.on('data', (data: Buffer) => {
      hash.update(data)
      bytes += data.length
    })
    server.close()
    socket.on('end', () => void report(socket, bytes, began, 0))
  })
  server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as { port: number }).port}`))
} else {
  const socket = stack.net.connect({ port: Number(port), host: '127.0.0.1', localPort: Number(localPort ?? 0) })
  socket.resume()
  await once(socket, 'connect')
  const began = performance.now()
  const block = randomFillSync(Buffer.alloc(1 << 20))
  const total = Number(size)
  for (let sent = 0; sent < total; ) {
    // Every megabyte is another one.
    block.writeDoubleLE(sent, 0)
    const piece = Buffer.from(block.subarray(0, Math.min(block.length, total - sent)))
    hash.update(piece)
    sent += piece.length
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  const mss = socket.tcp.info()?.snd_mss ?? 0
  socket.end()
  await report(socket, total, began, mss)
}
