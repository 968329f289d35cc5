/**
 * Connections that stand and say nothing, many of them: what they cost where they are held. `node --expose-gc --import tsx idle.ts WHAT`
 *
 *     serve PORTS    listens on that many ports and says them
 *     connect        does nothing by itself
 *
 * Lines of stdin: `open COUNT PORT …` opens so many; `memory` is answered with what is held and the resident bytes after a collection, `cpu MS` with the
 * part of a core that was used in so many milliseconds. In the environment, `MODULE=net`: Node's own; `SLUICE=…/sluice.cjs`: what was built.
 */
import { once } from 'node:events'
import * as nodeNet from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const { default: ours } = (await import(
  process.env.SLUICE ?? '../../../src/index.ts'
)) as typeof import('../../../src/index.ts')

const net = (process.env.MODULE === 'net' ? nodeNet : ours) as typeof nodeNet
const HOST = '127.0.0.1'
/** Connections under way at a time. */
const AT_ONCE = 64

const held: nodeNet.Socket[] = []
const [what, ...args] = process.argv.slice(2)

/** With the garbage collected, so that two readings may be compared. */
async function residentBytes(): Promise<number> {
  for (let i = 0; i < 8; i++) {
    globalThis.gc?.()
    await sleep(200)
  }
  return process.memoryUsage.rss()
}

async function cpuShare(ms: number): Promise<number> {
  const [from, began] = [process.cpuUsage(), performance.now()]
  await sleep(ms)
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000 / (performance.now() - began)
}

const ignore = (): void => {}
const failed = (error: Error): void => console.log(`failed ${error.message}`)

function hold(socket: nodeNet.Socket): void {
  socket.on('data', ignore).on('error', failed)
  held.push(socket)
}

async function serve(ports: number): Promise<void> {
  const open: number[] = []
  for (let i = 0; i < ports; i++) {
    const server = net.createServer(hold).listen(0, HOST)
    await once(server, 'listening')
    open.push((server.address() as nodeNet.AddressInfo).port)
  }
  console.log(`ports ${open.join(' ')}`)
}

async function connect(count: number, ports: number[]): Promise<void> {
  let next = 0
  const some = async (): Promise<void> => {
    while (next < count) {
      const socket = net.connect(ports[next++ % ports.length], HOST)
      await once(socket, 'connect')
      hold(socket)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, some))
}

async function answer(line: string): Promise<void> {
  const [question, ...words] = line.split(' ')
  if (question === 'memory') console.log(`resident ${held.length} ${await residentBytes()}`)
  else if (question === 'cpu') console.log(`busy ${await cpuShare(Number(words[0]))}`)
  else if (question === 'open') {
    const began = performance.now()
    await connect(Number(words[0]), words.slice(1).map(Number))
    console.log(`opened ${held.length} ${performance.now() - began}`)
  }
}

if (what === 'serve') await serve(Number(args[0]))
else console.log('ready ')
for await (const line of createInterface({ input: process.stdin })) await answer(line)
process.exit(0)
