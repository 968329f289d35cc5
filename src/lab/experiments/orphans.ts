import { once } from 'node:events'
import type { Host } from '../../testing/index.ts'
import type { Experiment } from '../experiment.ts'
import type { Scene, Socket } from '../scene.ts'

const TCP_RETRIES_OF_ORPHANS = 8
/** linux: tcp_model_timeout: eight doublings of 200 ms, all nine waits. */
const ORPHAN_PATIENCE_S = 0.2 * (2 ** (TCP_RETRIES_OF_ORPHANS + 1) - 1)

/** What the peer has no room for and the socket still holds. */
const MORE_THAN_FITS = Buffer.alloc(400_000)

/** A connection to a server that never reads, with its window full. */
async function stuck(scene: Scene, host: Host, port: number): Promise<Socket> {
  const socket = host.net.connect(port, 'server')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(MORE_THAN_FITS)
  await scene.pass(2)
  return socket
}

const finWait2Timeout: Experiment = {
  name: 'fin-wait2-timeout',
  chapter: 'Closing',
  setting: 'the client closes, the server never does; with tcp_fin_timeout of 60 and of 10',
  shows: 'FIN_WAIT_2 of an orphan ends after tcp_fin_timeout, without a word; the server is still in CLOSE_WAIT',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    for (const [seconds, name] of [
      [60, 'client'],
      [10, 'client-10'],
    ] as const) {
      scene.note(`tcp_fin_timeout = ${seconds}`)
      const host = scene.host(name)
      host.sysctl.set('tcp_fin_timeout', seconds)
      const port = 8000 + seconds
      const server = scene.server.net.createServer({ allowHalfOpen: true }).listen(port)
      const client = host.net.connect(port, 'server')
      const accepted = await scene.established(server, client)
      accepted.resume()
      await scene.pass(1)
      client.destroy()
      await scene.pass(seconds - 1)
      scene.table()
      const [late] = scene.connections(host)
      scene.checkIs(`${seconds}: a second before`, late?.state ?? 'gone', 'FIN_WAIT2')
      scene.check(
        `${seconds}: its timer runs out then`,
        late?.timer?.name === 'timewait' && late.timer.left <= 1_050_000,
        String(late?.timer?.left),
      )
      await scene.pass(1.1)
      scene.checkIs(`${seconds}: then`, scene.connections(host)[0]?.state ?? 'gone', 'gone')
      scene.checkIs(`${seconds}: and the server`, scene.connections(scene.server)[0]?.state ?? 'gone', 'CLOSE_WAIT')
      accepted.resetAndDestroy()
      server.close()
    }
  },
}

const finWait1: Experiment = {
  name: 'fin-wait1',
  chapter: 'Closing',
  setting:
    'close() with data that a silent peer never acknowledges; then with data that a living peer has no window for',
  shows:
    'FIN_WAIT_1 until the retries of an orphan are spent: tcp_orphan_retries=0 means 8, 102 s; the living peer is probed, but not for ever',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const [client] = await scene.establish()
    await scene.pass(1)
    scene.network.partition()
    client.write('nobody hears this')
    const beganMs = scene.network.now()
    client.destroy()
    await scene.pass(30)
    scene.table()
    const [waiting] = scene.connections(scene.client)
    scene.checkIs('silent: after half a minute', waiting?.state ?? 'gone', 'FIN_WAIT1')
    scene.check('silent: the timer is the retransmission', waiting?.timer?.name === 'on' && waiting.timer.count > 4)
    await scene.network.until(() => scene.connections(scene.client).length === 0)
    const tookS = (scene.network.now() - beganMs) / 1000
    scene.check(
      `silent: given up at the first timeout after ${ORPHAN_PATIENCE_S.toFixed(1)} s`,
      tookS >= ORPHAN_PATIENCE_S && tookS < 1.2 * ORPHAN_PATIENCE_S,
      `${tookS.toFixed(1)} s`,
    )
    const again = scene.seen.filter(({ from, attempt }) => from === 'client' && attempt > 1).length
    scene.checkIs('silent: sent again: the tail loss probe, and the retries', again, 1 + TCP_RETRIES_OF_ORPHANS)
    scene.network.heal()

    scene.note('a peer that lives, and never reads')
    const host = scene.host('client-2', { sysctl: { tcp_orphan_retries: 3, tcp_rto_max_ms: 4000 } })
    const server = scene.server.net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(81)
    const socket = await stuck(scene, host, 81)
    scene.checkIs('living: its window', socket.tcp.info()?.snd_wnd ?? -1, 0)
    socket.destroy()
    const closedMs = scene.network.now()
    await scene.pass(1)
    scene.table()
    const [probing] = scene.connections(host)
    scene.checkIs('living: it is in', probing?.state ?? 'gone', 'FIN_WAIT1')
    scene.checkIs('living: its timer', probing?.timer?.name ?? 'none', 'persist')
    const isGone = await scene.network.until(() => scene.connections(host).length === 0, 600_000)
    scene.check(
      'living: it is given up all the same',
      isGone,
      `${((scene.network.now() - closedMs) / 1000).toFixed(1)} s`,
    )
    scene.checkIs('living: TCPAbortOnTimeout', host.counters().TCPAbortOnTimeout, 1)
    server.close()
  },
}

const orphans: Experiment = {
  name: 'orphans',
  chapter: 'Closing',
  setting: 'six connections are closed with data that their peer has no window for; tcp_max_orphans=4',
  shows: 'four of them stay, in FIN_WAIT_1; the fifth and the sixth are reset',
  virtualOnly: true,
  network: { delay: 10, sysctl: { tcp_max_orphans: 4 } },
  async run(scene) {
    const server = scene.server.net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {})
    })
    server.listen(80)
    const left: number[] = []
    for (let i = 0; i < 6; i++) {
      const socket = await stuck(scene, scene.client, 80)
      socket.destroy()
      await scene.pass(0.5)
      left.push(scene.connections(scene.client).length)
    }
    scene.table()
    scene.checkIs('orphans after each close', left.join(' '), '1 2 3 4 4 4')
    const states = scene.connections(scene.client).map(({ state }) => state)
    scene.checkIs('they are in', [...new Set(states)].join(' '), 'FIN_WAIT1')
    scene.checkIs('resets', scene.seen.filter(({ from, rst }) => from === 'client' && rst).length, 2)
    scene.checkIs('connections that the server has left', scene.connections(scene.server).length, 4)
    scene.checkIs('TCPAbortOnMemory', scene.client.counters().TCPAbortOnMemory, 2)
    server.close()
  },
}

export const orphaned: readonly Experiment[] = [finWait2Timeout, finWait1, orphans]
