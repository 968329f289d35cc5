import { bdp, line, MBIT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Seen } from '../scene.ts'

const zeroWindow: Experiment = {
  name: 'zero-window',
  chapter: 'Windows and small packets',
  setting: 'a client writes 400 KB to a server that reads nothing for 100 s, and then all',
  shows:
    'Recv-Q and Send-Q fill, the window closes, and probes go out at intervals that double (timer persist); when the server reads, all arrives and nothing was lost',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const total = 400_000
    const listener = scene.server.net.createServer({ pauseOnConnect: true }).listen(80)
    const client = scene.connect()
    const server = await scene.established(listener, client)
    client.write(Buffer.alloc(total))
    await scene.pass(100)
    scene.table()
    const [ours] = scene.connections(scene.client)
    const [theirs] = scene.connections(scene.server)
    scene.check('Recv-Q of the server is full', (theirs?.recvQ ?? 0) > 60_000, String(theirs?.recvQ))
    scene.check('Send-Q of the client is not empty', (ours?.sendQ ?? 0) > 0, String(ours?.sendQ))
    scene.check('the client’s timer', ours?.timer?.name === 'persist', `${ours?.timer?.name}, ${ours?.timer?.count}`)
    const closed = scene.seen.findIndex(({ from, window }) => from === 'server' && window === 0)
    scene.check('the window closes', closed >= 0)
    const next = scene.seen
      .slice(0, closed)
      .reduce((most, one) => Math.max(most, one.from === 'client' ? end(one) : 0), 0)
    const probes = scene.seen.slice(closed).filter((one) => one.from === 'client' && end(one) <= next)
    const gaps = probes.slice(1).map(({ time }, i) => (time - (probes[i]?.time ?? 0)) / 1000)
    scene.check(
      'probes, each after twice the time',
      probes.length >= 7 && gaps.every((gap, i) => i === 0 || Math.abs(gap / (gaps[i - 1] ?? 1) - 2) < 0.05),
      gaps.map((gap) => gap.toFixed(2)).join(' '),
    )
    const { TCPWinProbe, RetransSegs } = scene.client.counters()
    // The first takes what is left of the window, less than a segment.
    scene.checkIs('TCPWinProbe: one filled the rest of the window', TCPWinProbe, 1 + probes.length)
    scene.checkIs('RetransSegs', RetransSegs, 0)

    let received = 0
    server.on('data', (data) => {
      received += data.length
    })
    server.resume()
    await scene.pass(1)
    scene.table()
    scene.checkIs('then the server reads, and gets bytes', received, total)
    scene.checkIs('RetransSegs', scene.client.counters().RetransSegs, 0)
    scene.checkIs('Send-Q', scene.connections(scene.client)[0]?.sendQ ?? -1, 0)
    listener.close()
  },
}

/** Where a segment ends, from the first byte of its direction. */
const end = ({ offset, length }: Seen): number => offset + length

const READ = 4096

const slowReader: Experiment = {
  name: 'slow-reader',
  chapter: 'Windows and small packets',
  setting: 'a server reads 4096 bytes five times a second of what a client sends as fast as it may; a buffer of 16 KiB',
  shows: 'the window is a saw-tooth; it never opens by less than a segment or half the buffer',
  network: { delay: 10, rate: '300kbit', sysctl: { tcp_window_scaling: 0, tcp_rmem: [4096, 16_384, 16_384] } },
  async run(scene) {
    const seconds = 8
    const server = scene.server.net.createServer({ pauseOnConnect: true, highWaterMark: READ }).listen(80)
    const client = scene.connect()
    const reader = await scene.established(server, client)
    client.write(Buffer.alloc(400_000))
    const beganMs = scene.network.now()
    let taken = 0
    for (let i = 0; i < 5 * seconds; i++) {
      await scene.pass(0.2)
      taken += ((reader.read(READ) as Buffer | null) ?? '').length
      if (i === 6) scene.table()
    }
    const { points, openings } = windowOf(scene.seen, 80, beganMs)
    const mss = client.tcp.info()?.snd_mss ?? 0
    const least = Math.min(mss, Math.floor((reader.tcp.info()?.rcv_space ?? 0) / 2))
    // The first read only asks for more.
    scene.checkIs('bytes read', taken, READ * (5 * seconds - 1))
    scene.check(
      'the window closes, and opens again, time after time',
      openings.length >= 10 && closings(points) >= 10,
      `${openings.length} openings, ${closings(points)} times down to less than a segment`,
    )
    scene.check(
      `never by less than ${least}, the smaller of a segment and half the buffer`,
      openings.every((opening) => opening >= least),
      String(Math.min(...openings)),
    )
    client.destroy()
    server.close()
    scene.graph('window', [{ name: 'window', points }], {
      title: 'the window that the server announces; 4096 bytes are read five times a second',
      unit: 'bytes',
    })
  },
}

/** How often the window went down to less than can be used. */
const closings = (points: readonly (readonly [number, number])[]): number =>
  points.filter(([, window], i) => window < 1436 && (points[i - 1]?.[1] ?? 0) >= 1436).length

/** The windows that the server announced, and by how much its right edge moved each time. */
function windowOf(
  seen: readonly Seen[],
  port: number,
  beganMs: number,
): { points: [number, number][]; openings: number[] } {
  const points: [number, number][] = []
  const openings: number[] = []
  let edge = 0
  let first: number | null = null
  for (const { srcPort, dstPort, syn, seq, time, ackNumber, window } of seen) {
    if (dstPort === port && syn) first = (seq + 1) >>> 0
    if (srcPort !== port || first === null) continue
    const next = ((ackNumber - first) >>> 0) + window
    // The first are no openings, but what the connection begins with.
    if (next > edge && time > beganMs + 1000) openings.push(next - edge)
    edge = Math.max(edge, next)
    points.push([(time - beganMs) / 1000, window])
  }
  return { points: points.filter(([t]) => t >= 0), openings }
}

const RATE = 800 * MBIT
const RTT_MS = 10
const PATH = { rate: RATE, rttMs: RTT_MS, queue: bdp(RATE, RTT_MS) }

const windowScaling: Experiment = {
  name: 'window-scaling',
  chapter: 'Windows and small packets',
  setting: 'a bulk transfer over 100 MB/s and 10 ms, with tcp_window_scaling=0 and 1',
  shows: 'without scaling 64 KiB a round trip, 6.5 MB/s; with it the full rate',
  bulk: true,
  async run(scene) {
    const curves = [0, 1].map((scaling) => {
      const run = scene.flows(`${scaling}`, {
        ...PATH,
        sysctl: { tcp_window_scaling: scaling },
        flows: [{ congestionControl: 'cubic' }],
      })
      const points: [number, number][] = []
      let before = 0
      run.run(300, 20, (ms) => {
        const received = run.flows[0]?.received ?? 0
        points.push([ms / 1000, (received - before) / 20_000])
        before = received
      })
      const late = points.filter(([t]) => t > 0.2)
      const rate = late.reduce((sum, [, value]) => sum + value, 0) / late.length
      const wanted = scaling === 0 ? 65_535 / (RTT_MS * 1000) : RATE / 8e6
      scene.check(
        `tcp_window_scaling=${scaling}: ${scaling === 0 ? '64 KiB a round trip' : 'at least nine tenths of 100 MB/s'}`,
        scaling === 0 ? Math.abs(rate / wanted - 1) < 0.1 : rate > 0.9 * wanted,
        `${rate.toFixed(1)} MB/s`,
      )
      scene.done(run)
      return line(`tcp_window_scaling=${scaling}`, points)
    })
    scene.graph('', curves, { title: 'goodput over 100 MB/s and 10 ms', unit: 'MB/s' })
  },
}

const KIB = 1024
const SMALL_BUFFER = 128 * KIB
/** Pages of 4 KiB: half a MiB. */
const FEW_PAGES = 128
const SLOW = RATE / 10

const bufferAutotune: Experiment = {
  name: 'buffer-autotune',
  chapter: 'Windows and small packets',
  setting:
    'the same path, and one of a tenth of its rate, with the default buffers; with buffers of 128 KiB, set by hand; with half a MiB for all (tcp_mem)',
  shows:
    'both buffers grow beyond the product of rate and delay, the send buffer twice as far as the window; what was set by hand stays; under memory pressure what is to be sent gets no more',
  bulk: true,
  async run(scene) {
    const found = new Map<string, readonly [send: number, receive: number]>()
    const curves = [
      { name: '100 MB/s', rate: RATE, flow: {}, sysctl: {} },
      { name: '10 MB/s', rate: SLOW, flow: {}, sysctl: {} },
      { name: 'by hand', rate: RATE, flow: { sndbuf: SMALL_BUFFER, rcvbuf: SMALL_BUFFER }, sysctl: {} },
      {
        name: 'tcp_mem',
        rate: RATE,
        flow: {},
        sysctl: { tcp_mem: [FEW_PAGES / 2, FEW_PAGES, 8 * FEW_PAGES] },
      },
    ].flatMap(({ name, rate, flow, sysctl }) => {
      const run = scene.flows(name.replace(/\W/g, '-'), {
        ...{ rate, rttMs: RTT_MS, queue: bdp(rate, RTT_MS) },
        sysctl: { tcp_rmem: [4096, 131_072, 6_291_456], tcp_wmem: [4096, 16_384, 4_194_304], ...sysctl },
        flows: [{ congestionControl: 'cubic', ...flow }],
      })
      const [sending, receiving]: [[number, number][], [number, number][]] = [[], []]
      run.run(250, 10, (ms) => {
        const [send, receive] = [run.client, run.server].map(
          (stack) => stack.sockets().find(({ state }) => state === 'ESTABLISHED')?.skmem,
        )
        found.set(name, [send?.tb ?? 0, receive?.rb ?? 0])
        sending.push([ms / 1000, (send?.tb ?? 0) / KIB])
        receiving.push([ms / 1000, (receive?.rb ?? 0) / KIB])
      })
      if (name === 'tcp_mem')
        scene.check('tcp_mem: the pressure is counted', run.client.counters().TCPMemoryPressures > 0)
      scene.done(run)
      return [line(`send, ${name}`, sending), line(`receive, ${name}`, receiving)]
    })
    const of = (name: string): readonly [send: number, receive: number] => found.get(name) ?? [0, 0]
    const text = (name: string): string =>
      of(name)
        .map((bytes) => Math.round(bytes / KIB))
        .join(' and ')
    const fast = bdp(RATE, RTT_MS)
    const slow = bdp(SLOW, RTT_MS)
    scene.check(
      `100 MB/s: send and receive buffer grow beyond ${Math.round(fast / KIB)} KiB, which the path holds`,
      of('100 MB/s').every((buffer) => buffer >= fast),
      text('100 MB/s'),
    )
    scene.check(
      `10 MB/s: beyond its ${Math.round(slow / KIB)} KiB, and the send buffer, which follows the window, less than half as far`,
      of('10 MB/s').every((buffer) => buffer >= slow) && of('10 MB/s')[0] < of('100 MB/s')[0] / 2,
      text('10 MB/s'),
    )
    scene.checkIs(
      'by hand: they stay as they were, the receive buffer at twice what was asked for, KiB',
      text('by hand'),
      '128 and 256',
    )
    scene.check('tcp_mem: the send buffer stops short of it', of('tcp_mem')[0] < fast, text('tcp_mem'))
    scene.graph('', curves, { title: 'buffers over 10 ms', unit: 'KiB' })
  },
}

export const buffers: readonly Experiment[] = [windowScaling, bufferAutotune]
export const closedWindows: readonly Experiment[] = [zeroWindow, slowReader]
