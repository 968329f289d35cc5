import { once } from 'node:events'
import type { Experiment } from '../experiment.ts'
import type { Scene } from '../scene.ts'

const SYNS = 10_000
const FEW_SYNS = 1000
const CLIENTS = 10
/** linux: TCPI_OPT_SACK, TCPI_OPT_WSCALE. */
const SACK = 2
const WSCALE = 4

/** SYNs of hosts that there are not: their SYN-ACKs reach nobody. */
async function flood(scene: Scene, port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    scene.network.inject('client', 'server', {
      address: `192.0.${2 + (i >> 13)}.${1 + ((i >> 6) & 0x7f)}`,
      srcPort: 10_000 + (i & 0x3f),
      dstPort: port,
      syn: true,
      seq: (i * 2_654_435_761) >>> 0,
      mss: 1460,
    })
    if (i % 100 === 99) await scene.pass(0.01)
  }
}

export const synQueueOverflow: Experiment = {
  name: 'syn-queue-overflow',
  chapter: 'Opening',
  setting: `${SYNS} SYNs (in short: ${FEW_SYNS}) from addresses that nobody has, with tcp_max_syn_backlog=128; ten real clients come; with tcp_syncookies=0 and 1`,
  shows:
    'without cookies the real clients starve, and the counters say so; with them all get in, with window scaling and SACK',
  virtualOnly: true,
  network: { delay: 10, keep: 40, sysctl: { tcp_max_syn_backlog: 128, tcp_synack_retries: 1, tcp_syn_retries: 1 } },
  async run(scene) {
    const syns = scene.settings.full === true ? SYNS : FEW_SYNS
    for (const cookies of [0, 1]) {
      const title = `tcp_syncookies=${cookies}`
      scene.note(title)
      scene.server.sysctl.set('tcp_syncookies', cookies)
      const port = 80 + cookies
      const options: number[] = []
      const server = scene.server.net.createServer((socket) => {
        options.push(socket.tcp.info()?.options ?? 0)
        socket.on('error', () => {})
        socket.pipe(socket)
      })
      server.listen({ port, backlog: 128 })
      const before = scene.server.counters()
      await flood(scene, port, syns)
      scene.table()
      const halfOpen = scene
        .connections(scene.server)
        .filter(({ state, localPort }) => state === 'SYN_RECV' && localPort === port)
      scene.check(
        `${title}: no more than 128 are half open`,
        halfOpen.length > 0 && halfOpen.length <= 129,
        String(halfOpen.length),
      )
      const outcomes = Array.from({ length: CLIENTS }, async (): Promise<string> => {
        const socket = scene.client.net.connect(port, 'server')
        const failure = scene.outcome(socket)
        socket.write('hello')
        const outcome = await Promise.race([
          once(socket, 'data').then(
            ([data]) => String(data),
            () => failure,
          ),
          failure,
        ])
        socket.destroy()
        return outcome
      })
      const found = [...new Set(await Promise.all(outcomes))].join(' ')
      const after = scene.server.counters()
      const counted = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0)
      if (cookies === 0) {
        scene.checkIs(`${title}: all ten get`, found, 'ETIMEDOUT')
        // linux: the last quarter of the queue is for peers that are known.
        scene.check(
          `${title}: ListenDrops tells of what was dropped`,
          counted('ListenDrops') >= syns - 128,
          String(counted('ListenDrops')),
        )
      } else {
        scene.checkIs(`${title}: all ten get an answer`, found, 'hello')
        scene.checkIs(`${title}: SyncookiesRecv`, counted('SyncookiesRecv'), CLIENTS)
        scene.check(
          `${title}: SyncookiesSent`,
          counted('SyncookiesSent') >= syns - 128,
          String(counted('SyncookiesSent')),
        )
        scene.check(
          `${title}: all with window scaling and SACK`,
          options.length === CLIENTS && options.every((one) => (one & SACK) !== 0 && (one & WSCALE) !== 0),
        )
      }
      server.close()
    }
  },
}
