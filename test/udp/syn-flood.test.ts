import { once } from 'node:events'
import v8 from 'node:v8'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Program } from '../support/program.ts'
import { listen, newStack } from '../support/stacks.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

function memory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const FLOOD = 100_000

/** A server under fire, and how many of the clients that come meanwhile were served in their time. */
async function besiege(tcp_syncookies: number, clients: number, patienceMs: number) {
  const server = newStack({ sysctl: { tcp_syncookies, tcp_max_syn_backlog: 256 } })
  const client = newStack()
  const { port } = await listen(server.net, (socket) => socket.pipe(socket))
  // Code that runs for the first time takes room of its own.
  const visit = async (): Promise<number | null> => {
    const socket = client.net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    const patience = setTimeout(() => socket.destroy(), patienceMs)
    let bytes = 0
    let options: number | null = null
    socket.on('data', (data) => {
      bytes += data.length
      if (bytes < 20_000) return
      options = socket.tcp.info()?.options ?? 0
      socket.destroy()
    })
    socket.end(Buffer.alloc(20_000))
    await once(socket, 'close')
    clearTimeout(patience)
    return options
  }
  await visit()
  const before = memory()
  const flood = new Program('flood', { args: [port, FLOOD] })
  await flood.said('flooding')
  // The queue fills first: who came before the flood is not what this is about.
  while (server.counters().TCPReqQFullDrop + server.counters().SyncookiesSent === 0) await new Promise(setImmediate)
  const outcomes: (number | null)[] = []
  const WAVE = 20
  for (let i = 0; i < clients; i += WAVE) outcomes.push(...(await Promise.all(Array.from({ length: WAVE }, visit))))
  await flood.said('thrown')
  const grown = memory() - before
  flood.tell('go')
  const [sent, received] = (await flood.said('bytes')).split(' ').map(Number) as [number, number]
  return { outcomes, grown, sent, received, counters: server.counters() }
}

describe('a flood of 100,000 SYNs', () => {
  it('without cookies: most who come meanwhile are not served within 3 s, and the counters say why', async () => {
    const { outcomes, counters } = await besiege(0, 20, 3000)
    expect(outcomes.filter((options) => options !== null).length).toBeLessThan(10)
    expect(counters.TCPReqQFullDrop).toBeGreaterThan(1000)
    expect(counters.ListenDrops).toBe(counters.TCPReqQFullDrop)
    expect(counters.SyncookiesSent).toBe(0)
  })

  it('with cookies: everybody is served, with window scaling and SACK, and it costs neither memory nor answers', async () => {
    const { outcomes, grown, sent, received, counters } = await besiege(1, 200, 10_000)
    // Timestamps, SACK, window scaling.
    expect(outcomes).toEqual(Array(200).fill(7))
    expect(counters.SyncookiesSent).toBeGreaterThan(1000)
    expect(counters.SyncookiesRecv).toBeGreaterThan(0)
    expect(counters.SyncookiesFailed).toBe(0)
    expect(grown).toBeLessThan(5_000_000)
    expect(received).toBeLessThanOrEqual(sent * 1.2)
  })
})
