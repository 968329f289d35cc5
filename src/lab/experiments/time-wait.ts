import { once } from 'node:events'
import type { Host } from '../../testing/index.ts'
import type { Experiment } from '../experiment.ts'
import type { Scene } from '../scene.ts'

const waitingOn = (host: Host): number => host.sockets().filter(({ state }) => state === 'TIME_WAIT').length

/** A server that ends whatever ends. */
function endingServer(scene: Scene, port: number): void {
  scene.server.net
    .createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
    })
    .listen(port)
}

/** Connects and closes: 'ok', or the code of the error. */
async function visit(scene: Scene, host: Host, port: number): Promise<string> {
  const socket = host.net.connect(port, scene.server.address)
  socket.resume()
  socket.once('connect', () => socket.end())
  const outcome = await scene.outcome(socket)
  return outcome === 'end' ? 'ok' : outcome
}

const timeWait: Experiment = {
  name: 'time-wait',
  chapter: 'Closing',
  setting: 'a normal close, but the last ACK is lost',
  shows: 'the FIN is sent again, TIME_WAIT answers it and begins anew, and ends 60 s later',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish()
    const states = scene.states(scene.server)
    server.on('end', () => server.end())
    client.resume()
    await scene.pass(1)
    // The one behind the FIN.
    scene.network.drop(({ from, fin, length }) => from === 'client' && !fin && length === 0, { times: 1 })
    const from = scene.seen.length
    client.end()
    await scene.pass(0.1)
    scene.table()
    const theirs = (): string => scene.connections(scene.server)[0]?.state ?? 'gone'
    scene.checkIs('the server waits in', theirs(), 'LAST_ACK')
    scene.checkIs('the client in', scene.connections(scene.client)[0]?.state ?? 'gone', 'TIME_WAIT')
    await scene.pass(1)
    const seen = scene.seen.slice(from)
    const fins = seen.filter(({ from, fin }) => from === 'server' && fin)
    scene.checkIs('the server sends its FIN', fins.length, 2)
    const answers = seen.filter(({ from, fin }) => from === 'client' && !fin)
    scene.checkIs('and the client answers each', answers.length, 2)
    scene.checkIs('which ends it at the server', theirs(), 'gone')
    scene.checkIs('after', states.join(' '), 'CLOSE_WAIT LAST_ACK CLOSE')
    // From when the second FIN arrived.
    const againMs = (answers[1]?.time ?? 0) - scene.network.now()
    await scene.network.advance(againMs + 59_900)
    scene.table()
    scene.checkIs('59.9 s after the second answer, in TIME_WAIT', waitingOn(scene.client), 1)
    await scene.pass(0.2)
    scene.checkIs('0.2 s later', waitingOn(scene.client), 0)
    scene.checkIs('TW', scene.client.counters().TW, 1)
  },
}

const timeWaitOverflow: Experiment = {
  name: 'time-wait-overflow',
  chapter: 'Closing',
  setting: 'twenty connections are closed, with tcp_max_tw_buckets=10',
  shows: 'ten are in TIME_WAIT; the others skip it, and TCPTimeWaitOverflow counts them',
  virtualOnly: true,
  network: { delay: 1, sysctl: { tcp_max_tw_buckets: 10 } },
  async run(scene) {
    endingServer(scene, 80)
    for (let i = 0; i < 20; i++) await visit(scene, scene.client, 80)
    await scene.pass(0.1)
    scene.table()
    scene.checkIs('in TIME_WAIT', waitingOn(scene.client), 10)
    scene.checkIs('TCPTimeWaitOverflow', scene.client.counters().TCPTimeWaitOverflow, 10)
    scene.checkIs('other connections', scene.connections(scene.client).length - waitingOn(scene.client), 0)
  },
}

const PORTS = 100

const twReuse: Experiment = {
  name: 'tw-reuse',
  chapter: 'Closing',
  setting: '200 connects to one port, one after the other, from a range of 100 ports',
  shows:
    'with tcp_tw_reuse=0 every second fails with EADDRNOTAVAIL; with 1 all succeed, the second hundred a second later',
  virtualOnly: true,
  network: { delay: 0.2, sysctl: { ip_local_port_range: [40_000, 40_000 + PORTS - 1] } },
  async run(scene) {
    for (const reuse of [0, 1]) {
      scene.note(`tcp_tw_reuse = ${reuse}`)
      const host = reuse === 0 ? scene.client : scene.host('client-1')
      host.sysctl.set('tcp_tw_reuse', reuse)
      endingServer(scene, 80 + reuse)
      const outcomes: Record<string, number>[] = []
      for (let round = 0; round < 2; round++) {
        const counts: Record<string, number> = {}
        for (let i = 0; i < PORTS; i++) {
          const outcome = await visit(scene, host, 80 + reuse)
          counts[outcome] = (counts[outcome] ?? 0) + 1
        }
        outcomes.push(counts)
        await scene.pass(1.1)
      }
      scene.table()
      const [first, second] = outcomes.map((counts) => JSON.stringify(counts))
      scene.checkIs(`${reuse}: the first hundred`, first ?? '', `{"ok":${PORTS}}`)
      scene.checkIs(
        `${reuse}: the second`,
        second ?? '',
        reuse === 1 ? `{"ok":${PORTS}}` : `{"EADDRNOTAVAIL":${PORTS}}`,
      )
      scene.checkIs(`${reuse}: TWRecycled`, host.counters().TWRecycled, reuse === 1 ? PORTS : 0)
    }
  },
}

const PIECE = 1000
const OLD = 60
/** Each connection begins with it: a segment that acknowledges what was never sent is refused for that (rfc5961#5). */
const GREETING = 20_000
/** Of the old connection: so far beyond its start that the next incarnation, which begins a little later, still has to come there. */
const OLD_AT = 50 * PIECE

const oldDuplicate: Experiment = {
  name: 'old-duplicate',
  chapter: 'Closing',
  setting: 'a segment is delayed until its connection is dead, and the next has the same addresses and ports',
  shows:
    'with TIME_WAIT it meets nobody; without, timestamps keep it out; without either its bytes are among those of the new connection',
  virtualOnly: true,
  network: { delay: 1 },
  async run(scene) {
    const received: Buffer[] = []
    const server = scene.server.net.createServer({ allowHalfOpen: true }, (socket) => {
      received.length = 0
      socket.on('error', () => {})
      socket.write(Buffer.alloc(GREETING, 'g'))
      socket.on('data', (data) => received.push(data))
      socket.on('end', () => socket.end())
    })
    server.listen(80)
    for (const [i, { title, sysctl, arrives, refused }] of CASES.entries()) {
      scene.note(title)
      const host = i === 0 ? scene.client : scene.host(`client-${i}`)
      host.sysctl.assign(sysctl)
      const where = { port: 80, host: scene.server.address, localPort: 5000, noDelay: true }
      const held = scene.network.hold(
        ({ from, offset, length }) => from === host.name && length > 0 && offset >= OLD_AT,
        {
          times: 1,
        },
      )
      const old = host.net.connect(where)
      old.resume()
      await scene.network.until(() => old.bytesRead === GREETING)
      old.end(Buffer.alloc(OLD * PIECE, 'o'))
      await once(old, 'close')
      scene.checkIs(`${title}: of the first connection arrives`, Buffer.concat(received).length, OLD * PIECE)
      scene.checkIs(`${title}: and is delayed`, held.count, 1)
      await scene.pass(0.01)
      scene.table()
      const next = host.net.connect(where)
      next.resume()
      if (refused) {
        scene.checkIs(`${title}: the same ports are`, await scene.outcome(next), 'EADDRNOTAVAIL')
        const before = scene.server.counters().InSegs
        held.release()
        await scene.pass(0.1)
        scene.checkIs(`${title}: what was delayed comes`, scene.server.counters().InSegs - before, 1)
        scene.checkIs(`${title}: and reaches nobody`, scene.connections(scene.server).length, 0)
        await scene.pass(61)
        continue
      }
      await scene.network.until(() => next.bytesRead === GREETING)
      held.release()
      await scene.pass(0.1)
      for (let sent = 0; sent < OLD; sent++) {
        next.write(Buffer.alloc(PIECE, 'n'))
        await scene.pass(0.01)
      }
      next.end()
      await once(next, 'close')
      const all = Buffer.concat(received)
      scene.checkIs(`${title}: of the second connection arrives`, all.length, OLD * PIECE)
      const strange = all.filter((byte) => byte === 'o'.charCodeAt(0)).length
      scene.check(
        `${title}: bytes of the first among them: ${arrives ? 'some' : 'none'}`,
        strange > 0 === arrives,
        String(strange),
      )
    }
  },
}

const CASES: readonly { title: string; sysctl: Record<string, number>; arrives: boolean; refused: boolean }[] = [
  { title: 'TIME_WAIT', sysctl: { tcp_timestamps: 0, tcp_tw_reuse: 0 }, arrives: false, refused: true },
  { title: 'timestamps only', sysctl: { tcp_max_tw_buckets: 0 }, arrives: false, refused: false },
  { title: 'neither', sysctl: { tcp_max_tw_buckets: 0, tcp_timestamps: 0 }, arrives: true, refused: false },
]

export const timeWaits: readonly Experiment[] = [timeWait, timeWaitOverflow, twReuse, oldDuplicate]
