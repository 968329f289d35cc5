import { once } from 'node:events'
import type { Host } from '../../testing/index.ts'
import { mean, SEGMENT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Socket } from '../scene.ts'

const RTT_MS = 100
/** Nothing but the window decides when something leaves, and nothing is remembered of an earlier connection. */
const PLAIN = { tcp_congestion_control: 'reno', tcp_pacing: 0, tcp_no_metrics_save: 1 }
/** Buffers that are no bound from the beginning. */
const LARGE = { tcp_rmem: [4096, 2 ** 20, 2 ** 22], tcp_wmem: [4096, 2 ** 20, 2 ** 22] }

/** The window of the connections of a host as it changes, in segments. */
function traceWindow(host: Host): { cwnd: [number, number][]; ssthresh: [number, number][] } {
  const found: ReturnType<typeof traceWindow> = { cwnd: [], ssthresh: [] }
  host.stack.trace((event) => {
    if (event.type !== 'cwnd') return
    found.cwnd.push([event.time / 1000, event.cwnd / SEGMENT])
    if (event.ssthresh < 1e6 * SEGMENT) found.ssthresh.push([event.time / 1000, event.ssthresh / SEGMENT])
  })
  return found
}

const cwndOf = (socket: Socket): number => socket.tcp.info()?.snd_cwnd ?? 0
const ssthreshOf = (socket: Socket): number => socket.tcp.info()?.snd_ssthresh ?? 0

export const slowStart: Experiment = {
  name: 'slow-start',
  chapter: 'Congestion',
  setting: 'a bulk transfer begins with one segment, over a round trip of 100 ms; no pacing, no loss',
  shows: 'the congestion window doubles each round trip: 1, 2, 4, 8 …',
  virtualOnly: true,
  network: { delay: RTT_MS / 2, sysctl: { ...PLAIN, ...LARGE, tcp_init_cwnd: 1 } },
  async run(scene) {
    const { cwnd } = traceWindow(scene.client)
    const [socket] = await scene.establish()
    const beganMs = scene.network.now()
    cwnd.push([beganMs / 1000, cwndOf(socket)])
    socket.write(Buffer.alloc(400 * SEGMENT))
    const windows: number[] = []
    for (let round = 0; round < 8; round++) {
      // Half way to the next acknowledgements.
      await scene.network.advance(round === 0 ? RTT_MS / 2 : RTT_MS)
      windows.push(cwndOf(socket))
    }
    await scene.pass(1)
    const doubled = windows.map((_, i) => 2 ** i)
    scene.checkNumbers('the window at the end of each round trip, segments', windows, doubled)
    const sent = scene.seen.filter(({ from, length }) => from === 'client' && length > 0)
    const perRound = doubled.map(
      (_, round) => sent.filter(({ time }) => Math.floor((time - beganMs + 1) / RTT_MS) === round).length,
    )
    scene.checkNumbers('so many segments leave in each', perRound, doubled)
    scene.graph('cwnd', [{ name: 'cwnd', points: cwnd }], {
      title: 'slow start from one segment, RTT 100 ms',
      unit: 'segments',
    })
  },
}

const TRANSFER = 100_000

export const initialWindow: Experiment = {
  name: 'initial-window',
  chapter: 'Congestion',
  setting:
    'transfers of 100 KB over a round trip of 100 ms, begun with 1 segment, with those of RFC 3390 (3), and with 10',
  shows: 'each round trip that the first window saves: seven, five and three until the last byte is there',
  virtualOnly: true,
  network: { delay: RTT_MS / 2, sysctl: PLAIN },
  async run(scene) {
    const curves: { name: string; points: [number, number][] }[] = []
    for (const [initial, rounds] of [
      [10, 3],
      ['rfc3390', 5],
      [1, 7],
    ] as const) {
      // The first is captured.
      const host = scene.host(initial === 10 ? 'client' : `client-${initial}`)
      host.sysctl.set('tcp_init_cwnd', initial)
      const points: [number, number][] = []
      let received = 0
      let arrivedMs = 0
      let beganMs = 0
      const port = 8000 + curves.length
      const server = scene.server.net.createServer((socket) => {
        socket.on('data', (data) => {
          received += data.length
          arrivedMs = scene.network.now()
          points.push([arrivedMs - beganMs, received / 1000])
        })
      })
      server.listen(port)
      const socket = host.net.connect(port, 'server')
      await once(socket, 'connect')
      beganMs = scene.network.now()
      points.push([0, 0])
      socket.end(Buffer.alloc(TRANSFER))
      await scene.pass(2)
      const took = arrivedMs - beganMs
      const claim = `from ${initial === 'rfc3390' ? "RFC 3390's 3 segments" : `${initial}`}: ms until the last byte is there`
      scene.check(claim, received === TRANSFER && Math.abs(took - (rounds - 0.5) * RTT_MS) < 2, took.toFixed(1))
      curves.push({ name: `initial window ${initial}`, points })
      server.close()
    }
    scene.graph('received', curves, {
      title: '100 KB over a round trip of 100 ms',
      unit: 'KB received',
      across: 'time since the first byte was written, ms',
    })
  },
}

export const idleRestart: Experiment = {
  name: 'idle-restart',
  chapter: 'Congestion',
  setting:
    'a transfer that has lost something, a pause of ten RTO, and another transfer; then with tcp_slow_start_after_idle=0',
  shows: 'after the pause the window begins at the initial one again, ssthresh stays; with 0 the window stays too',
  virtualOnly: true,
  network: { delay: RTT_MS / 2, sysctl: PLAIN },
  async run(scene) {
    const traced = traceWindow(scene.client)
    scene.listen()
    for (const restarts of [1, 0]) {
      scene.client.sysctl.set('tcp_slow_start_after_idle', restarts)
      const title = `tcp_slow_start_after_idle=${restarts}`
      const socket = scene.connect()
      await once(socket, 'connect')
      const { srcPort } = scene.seen.at(-1) ?? { srcPort: 0 }
      scene.network.drop((segment) => segment.srcPort === srcPort && segment.offset >= 60 * SEGMENT, { times: 1 })
      socket.write(Buffer.alloc(400 * SEGMENT))
      await scene.pass(3)
      const [cwnd, ssthresh, rtoUs] = [cwndOf(socket), ssthreshOf(socket), socket.tcp.info()?.rto ?? 0]
      scene.check(`${title}: before the pause the window has grown`, cwnd > 20, `cwnd ${cwnd}, ssthresh ${ssthresh}`)
      await scene.pass((10 * rtoUs) / 1e6)
      const from = scene.seen.length
      socket.write(Buffer.alloc(100 * SEGMENT))
      // Not yet a round trip later: what left is the window.
      await scene.pass(RTT_MS / 2 / 1000)
      const burst = scene.seen.slice(from).filter((segment) => segment.from === 'client' && segment.length > 0).length
      scene.check(
        `${title}: after it ${restarts === 1 ? 'ten segments leave' : 'the whole window leaves'} at once`,
        burst === (restarts === 1 ? 10 : cwnd),
        String(burst),
      )
      scene.check(
        `${title}: ssthresh is not lower`,
        ssthreshOf(socket) >= ssthresh && ssthreshOf(socket) <= Math.max(ssthresh, cwnd),
        `${ssthresh}, ${ssthreshOf(socket)}`,
      )
      await scene.pass(2)
      socket.destroy()
      await scene.pass(1)
    }
    scene.graph(
      'cwnd',
      [
        { name: 'cwnd', points: traced.cwnd },
        { name: 'ssthresh', points: traced.ssthresh },
      ],
      { title: 'a pause of ten RTO; then again with tcp_slow_start_after_idle=0', unit: 'segments' },
    )
  },
}

export const appLimited: Experiment = {
  name: 'app-limited',
  chapter: 'Congestion',
  setting: 'an application writes 10 KB a second for 20 s, then all it can',
  shows: 'the window does not grow while it is not used; it does when it is',
  network: { delay: RTT_MS / 2, sysctl: PLAIN },
  async run(scene) {
    const [socket] = await scene.establish()
    const cwnd: [number, number][] = []
    const inflight: [number, number][] = []
    const look = (): boolean => {
      const info = socket.tcp.info()
      cwnd.push([scene.network.now() / 1000, info?.snd_cwnd ?? 0])
      inflight.push([scene.network.now() / 1000, info?.unacked ?? 0])
      return info?.app_limited === true
    }
    let limited = 0
    for (let i = 0; i < 100; i++) {
      socket.write(Buffer.alloc(2000))
      await scene.pass(RTT_MS / 2 / 1000)
      if (look()) limited++
      await scene.pass(0.15)
    }
    const most = Math.max(...cwnd.map(([, value]) => value))
    const used = mean(inflight.map(([, value]) => value))
    scene.check('the window stays at the initial ten segments', most === 10, String(most))
    scene.check('of which two are used', used > 0 && used <= 2, used.toFixed(1))
    scene.check('ss says app_limited, while something is out', limited === 100, `${limited} of 100 times`)
    socket.write(Buffer.alloc(300 * SEGMENT))
    for (let i = 0; i < 12; i++) {
      await scene.pass(0.05)
      look()
    }
    const after = Math.max(...cwnd.map(([, value]) => value))
    scene.check('it grows as soon as it is used', after >= 80, String(after))
    scene.graph(
      'cwnd',
      [
        { name: 'cwnd', points: cwnd },
        { name: 'in flight', points: inflight },
      ],
      { title: '10 KB a second, then as much as can be', unit: 'segments' },
    )
  },
}
