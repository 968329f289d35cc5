import { once } from 'node:events'
import type { TraceEvent } from '../../observe/index.ts'
import { SEGMENT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Scene, Seen } from '../scene.ts'
import { connectFrom, earlyRetransmit, fackMarking, rackReordering, spuriousRto } from './detection.ts'
import { rttEstimators } from './estimators.ts'
import { paws, seqWrap } from './numbers.ts'

const HALF_RTT_MS = 50
const fromClient = (segment: Seen): boolean => segment.from === 'client' && segment.length > 0
const again = (segment: Seen): boolean => fromClient(segment) && segment.attempt > 1

/** The window and the threshold of the client's connection as they change, drawn in segments. */
function drawWindow(scene: Scene): void {
  const cwnd: [number, number][] = []
  const ssthresh: [number, number][] = []
  scene.client.stack.trace((event: TraceEvent) => {
    if (event.type !== 'cwnd') return
    cwnd.push([event.time / 1000, event.cwnd / SEGMENT])
    if (event.ssthresh < 1e6 * SEGMENT) ssthresh.push([event.time / 1000, event.ssthresh / SEGMENT])
  })
  scene.graph(
    'cwnd',
    [
      { name: 'cwnd', points: cwnd },
      { name: 'ssthresh', points: ssthresh },
    ],
    { title: 'congestion window', unit: 'segments' },
  )
}

const rtoBackoff: Experiment = {
  name: 'rto-backoff',
  chapter: 'Retransmission',
  setting: 'data is sent, and the peer goes silent',
  shows:
    'one tail loss probe, then 15 retransmissions, each after twice the time, up to 120 s; ETIMEDOUT after more than 924.6 s',
  virtualOnly: true,
  network: { delay: 5 },
  async run(scene) {
    const [socket] = await scene.establish()
    await scene.pass(1)
    scene.network.partition()
    const fromSeen = scene.seen.length
    const outcome = scene.outcome(socket)
    const beganMs = scene.network.now()
    socket.resume()
    socket.write('is anybody there?')
    await scene.pass(30)
    scene.table()
    const info = socket.tcp.info()
    scene.check('ss shows the backoff', (info?.backoff ?? 0) > 3, String(info?.backoff))
    scene.check('it ends with ETIMEDOUT', (await outcome) === 'ETIMEDOUT')
    const tookS = (scene.network.now() - beganMs) / 1000
    const sent = scene.seen.slice(fromSeen).filter(fromClient)
    const { TCPLossProbes } = scene.client.counters()
    scene.check('one tail loss probe goes first', TCPLossProbes === 1, String(TCPLossProbes))
    scene.check('then 15 retransmissions', sent.length === 1 + 1 + 15, String(sent.length - 2))
    const gaps = sent.slice(2).map(({ time }, i) => (time - (sent[i + 1]?.time ?? 0)) / 1000)
    const doubled = gaps.slice(2).every((gap, i) => Math.abs(gap - Math.min(120, 2 * (gaps[i + 1] ?? 0))) < 0.1 * gap)
    scene.check(
      'each after twice the time, 120 s at most',
      doubled && Math.max(...gaps) <= 120.1,
      gaps.map((gap) => gap.toFixed(2)).join(' '),
    )
    scene.check('given up after more than 924.6 s', tookS >= 924.6 && tookS < 1100, `${tookS.toFixed(1)} s`)
  },
}

const fastRetransmit: Experiment = {
  name: 'fast-retransmit',
  chapter: 'Retransmission',
  setting: 'one segment of a transfer is lost; without SACK and RACK, first as usual, then with tcp_reordering=1',
  shows:
    'three duplicate ACKs, then the retransmission long before the timeout; with tcp_reordering=1 the first will do; an ACK that changes the window is no duplicate',
  virtualOnly: true,
  network: { delay: HALF_RTT_MS, sysctl: { tcp_sack: 0, tcp_recovery: 0, tcp_early_retrans: 0 } },
  async run(scene) {
    drawWindow(scene)
    for (const [reordering, name] of [
      [3, 'client'],
      [1, 'client-1'],
    ] as const) {
      const title = `tcp_reordering=${reordering}`
      const host = scene.host(name)
      host.sysctl.set('tcp_reordering', reordering)
      const server = scene.server.net.createServer((socket) => socket.resume()).listen(80 + reordering)
      const socket = host.net.connect(80 + reordering, 'server')
      socket.setNoDelay(true)
      await once(socket, 'connect')
      const fromSeen = scene.seen.length
      scene.network.drop((segment) => segment.from === name && segment.offset === 10_000, { times: 1 })
      // One segment every ten milliseconds, so that duplicates come one by one.
      for (let i = 0; i < 40; i++) {
        socket.write(Buffer.alloc(1000))
        await scene.network.advance(10)
      }
      await scene.pass(1)
      const seen = scene.seen.slice(fromSeen)
      const hole = seen.find(({ lostBy }) => lostBy === 'drop')
      const repair = seen.find((segment) => segment.from === name && segment.attempt > 1)
      const acks = seen.filter(({ from, ackNumber }) => from === 'server' && ackNumber === hole?.seq)
      // Half a round trip later they are there. The first that names the hole is no duplicate.
      const duplicates = acks.filter(({ time }) => time + HALF_RTT_MS <= (repair?.time ?? 0) + 0.1).length - 1
      const tookMs = (repair?.time ?? Infinity) - (hole?.time ?? 0)
      scene.check(`${title}: the hole is sent again`, repair !== undefined && repair.seq === hole?.seq)
      scene.check(`${title}: on duplicate ${reordering}`, duplicates === reordering, String(duplicates))
      scene.check(`${title}: long before the timeout`, tookMs < 200, `${tookMs.toFixed(0)} ms`)
      socket.destroy()
      server.close()
    }
    await unlikeDuplicates(scene)
    scene.check('counted as fast retransmits', scene.client.counters().TCPFastRetrans === 1)
    scene.check('and no timeout', scene.client.counters().TCPTimeouts === 0)
  },
}

/** Acknowledgements that repeat their number, but bring another window each. */
async function unlikeDuplicates(scene: Scene): Promise<void> {
  const socket = await connectFrom(scene, 'client-windows', { tcp_timestamps: 0 })
  const from = scene.seen.length
  // It reaches nobody, so that nobody acknowledges it.
  scene.network.drop((segment) => segment.from === 'client-windows' && segment.attempt === 1, { times: 8 })
  for (let i = 0; i < 8; i++) socket.write(Buffer.alloc(1000))
  await scene.network.advance(20)
  const [first] = scene.seen.slice(from).filter(({ length }) => length > 0)
  const acks = (windows: readonly number[]): Promise<void> => {
    for (const window of windows) {
      const { srcPort: dstPort, dstPort: srcPort, ackNumber: seq, seq: ackNumber } = first
      scene.network.inject('server', 'client-windows', { srcPort, dstPort, ack: true, seq, ackNumber, window })
    }
    return scene.network.advance(HALF_RTT_MS + 10)
  }
  const again = (): number => scene.seen.slice(from).filter(({ attempt }) => attempt > 1).length
  await acks([500, 501, 502, 503, 504])
  scene.check('an ACK that changes the window is no duplicate: five make nothing leave', again() === 0, String(again()))
  await acks([504, 504, 504])
  scene.check('three that do not are', again() === 1, String(again()))
  socket.destroy()
}

const sackHoles: Experiment = {
  name: 'sack-holes',
  chapter: 'Retransmission',
  setting: 'segments 10 to 20 and 30 to 40 of a transfer are lost; then one arrives twice',
  shows:
    'SACK blocks, newest first; only the holes are sent again; a D-SACK answers the duplicate; a receiver that throws away what it has acknowledged is survived',
  network: { delay: 50, rate: 10e6, sysctl: { tcp_init_cwnd: 60, tcp_rmem: [4096, 2 ** 20, 2 ** 22] } },
  async run(scene) {
    drawWindow(scene)
    const [socket] = await scene.establish()
    const from = scene.seen.length
    let index = -1
    scene.network.drop((segment) => {
      if (segment.from !== 'client' || segment.length === 0 || segment.attempt > 1) return false
      index++
      return (index >= 10 && index <= 20) || (index >= 30 && index <= 40)
    })
    socket.write(Buffer.alloc(1436 * 50))
    await scene.pass(0.6)
    const seen = scene.seen.slice(from)
    const lost = seen.filter(({ lostBy }) => lostBy === 'drop')
    const repaired = seen.filter(again)
    scene.check('22 segments are lost', lost.length === 22, String(lost.length))
    const holes = new Set(lost.map(({ seq }) => seq))
    scene.check(
      'exactly these are sent again, once each',
      repaired.length === 22 && repaired.every(({ seq }) => holes.has(seq)),
      String(repaired.length),
    )
    const two = seen.filter(({ sack }) => sack.length >= 2)
    const newestFirst =
      two.length > 0 && two.every(({ sack: [first, second] }) => (first?.[0] ?? 0) !== (second?.[0] ?? 0))
    scene.check('acknowledgements have several SACK blocks', newestFirst, String(two.length))
    const first = two[0]?.sack
    scene.check('the newest first', first !== undefined && first[0][0] > first[1][0])
    scene.check('no timeout', scene.client.counters().TCPTimeouts === 0)

    scene.note('the acknowledgement of one more segment is lost: it is sent again, and is there twice')
    const before = scene.seen.length
    scene.network.drop(({ from }) => from === 'server', { times: 1 })
    socket.write(Buffer.alloc(1436))
    await scene.pass(0.6)
    const [one] = scene.seen.slice(before).filter(fromClient)
    const dsack = scene.seen.slice(before).find((segment) => segment.from === 'server' && segment.sack.length > 0)
    scene.check(
      'a D-SACK names what came twice, below what is acknowledged',
      dsack?.sack[0]?.[0] === one.seq && dsack.ackNumber === one.seq + one.length,
    )
    scene.check('the sender counts it', scene.client.counters().TCPDSACKRecv === 1)
    await renege(scene)
  },
}

/** The receiver is out of memory, and throws away what it has selectively acknowledged. */
async function renege(scene: Scene): Promise<void> {
  scene.note('the receiver runs out of memory (tcp_mem) while there is a hole')
  const name = 'client-reneging'
  const socket = await connectFrom(scene, name)
  const drop = scene.network.drop((segment) => segment.from === name && segment.offset === 1436)
  socket.write(Buffer.alloc(1436 * 30))
  await scene.pass(0.2)
  const sacked = socket.tcp.info()?.sacked ?? 0
  const before = scene.server.sysctl.get('tcp_mem')
  scene.server.sysctl.set('tcp_mem', [1, 1, 1])
  socket.write(Buffer.alloc(1436))
  await scene.pass(0.1)
  scene.server.sysctl.set('tcp_mem', before)
  drop.stop()
  await scene.pass(5)
  const { OfoPruned } = scene.server.counters()
  const { TCPSACKReneging } = scene.host(name).counters()
  scene.check('the receiver had acknowledged, and throws away', sacked >= 28 && OfoPruned > 0, `${sacked} segments`)
  scene.check('the sender finds out', TCPSACKReneging > 0, String(TCPSACKReneging))
  scene.check(
    'and sends all of it again',
    socket.tcp.info()?.bytes_acked === 1436 * 31,
    String(socket.tcp.info()?.bytes_acked),
  )
  socket.destroy()
}

const tailLoss: Experiment = {
  name: 'tail-loss',
  chapter: 'Retransmission',
  setting:
    'the last segment of a burst is lost, over a round trip of 20 and of 100 ms; with tail loss probes and without',
  shows:
    'the probe goes out after two round trips (and 200 ms, for one segment is out) and repairs it without a timeout; without probes there is a timeout',
  network: {},
  async run(scene) {
    for (const rtt of [20, 100]) {
      for (const probes of [3, 0]) {
        const isFirst = rtt === 20 && probes === 3
        const host = scene.host(isFirst ? 'client' : `client-${rtt}-${probes}`)
        host.sysctl.set('tcp_early_retrans', probes)
        const { name } = host
        scene.network.link(host, scene.server, { delay: rtt / 2 })
        const port = 8000 + rtt + probes
        const server = scene.server.net.createServer((socket) => socket.resume()).listen(port)
        const socket = host.net.connect(port, 'server')
        await once(socket, 'connect')
        const from = scene.seen.length
        scene.network.drop((segment) => segment.from === name && segment.offset >= 1436 * 4, { times: 1 })
        socket.write(Buffer.alloc(1436 * 5))
        await scene.pass(3)
        const seen = scene.seen.slice(from)
        const lost = seen.find(({ lostBy }) => lostBy === 'drop')
        const repair = seen.find((segment) => segment.from === name && segment.attempt > 1)
        const tookMs = (repair?.time ?? Infinity) - (lost?.time ?? 0)
        const { TCPLossProbes, TCPTimeouts } = host.counters()
        const title = `RTT ${rtt} ms, ${probes === 0 ? 'no probes' : 'probes'}`
        if (probes === 0)
          scene.check(`${title}: a timeout`, TCPTimeouts === 1 && TCPLossProbes === 0, `${tookMs.toFixed(0)} ms`)
        else {
          scene.check(
            `${title}: a probe, no timeout`,
            TCPLossProbes >= 1 && TCPTimeouts === 0,
            `${TCPLossProbes}, ${TCPTimeouts}`,
          )
          // rfc8985#7.2: two smoothed round trips after the last acknowledgement, and 200 ms where one segment is out.
          scene.check(`${title}: no later than the PTO`, tookMs <= rtt + 2 * rtt + 200 + 5, `${tookMs.toFixed(0)} ms`)
        }
        server.close()
      }
    }
  },
}

export const retransmission: readonly Experiment[] = [
  rtoBackoff,
  rttEstimators,
  fastRetransmit,
  sackHoles,
  fackMarking,
  rackReordering,
  earlyRetransmit,
  tailLoss,
  spuriousRto,
  paws,
  seqWrap,
]
