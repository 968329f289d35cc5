import { once } from 'node:events'
import { SEGMENT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Scene, Seen, Socket } from '../scene.ts'

// How losses are told from what is only late.

/** Slow enough that acknowledgements come one by one. */
const LINK = { delay: 50, rate: 10e6 }
const SYSCTL = {
  tcp_pacing: 0,
  tcp_init_cwnd: 20,
  tcp_no_metrics_save: 1,
  tcp_rmem: [4096, 2 ** 20, 2 ** 22],
  tcp_wmem: [4096, 2 ** 20, 2 ** 22],
}

/** A connection of a host of its own to the server, with those parameters. */
export async function connectFrom(
  scene: Scene,
  name: string,
  sysctl: Readonly<Record<string, unknown>> = {},
): Promise<Socket> {
  const host = scene.host(name)
  host.sysctl.assign(sysctl)
  const port = 8000 + scene.network.hosts.indexOf(host)
  const server = scene.server.net.createServer((socket) => socket.on('error', () => {}).resume())
  server.listen(port)
  const socket = host.net.connect(port, 'server')
  socket.on('error', () => {})
  socket.setNoDelay(true)
  await once(socket, 'connect')
  return socket
}

const dataFrom = (scene: Scene, name: string, from = 0): Seen[] =>
  scene.seen.slice(from).filter((segment) => segment.from === name && segment.length > 0)

export const fackMarking: Experiment = {
  name: 'fack-marking',
  chapter: 'Retransmission',
  setting:
    'of twelve segments the second to the sixth and the twelfth arrive; with SACK counting and with tcp_fack=1 (both tcp_recovery=0)',
  shows:
    'FACK takes the first nine for lost where they have not arrived (1, 7, 8, 9), SACK counting only what lies three arrivals back (1); once reordering was seen FACK counts as SACK does',
  network: { ...LINK, sysctl: { ...SYSCTL, tcp_recovery: 0, tcp_early_retrans: 0 } },
  virtualOnly: true,
  async run(scene) {
    const marks: number[][] = []
    for (const fack of [1, 0]) {
      const name = fack === 1 ? 'client' : 'client-sack'
      const socket = await connectFrom(scene, name, { tcp_fack: fack })
      const burst = async (): Promise<number> => {
        const first = dataFrom(scene, name).reduce((top, { offset, length }) => Math.max(top, offset + length), 0)
        const arrives = [1, 2, 3, 4, 5, 11]
        const drop = scene.network.drop(
          ({ from, length, attempt, offset }) =>
            from === name &&
            length > 0 &&
            attempt === 1 &&
            offset >= first &&
            !arrives.includes((offset - first) / SEGMENT),
        )
        socket.write(Buffer.alloc(12 * SEGMENT))
        // A round trip, and what the link takes for twelve.
        await scene.network.advance(118)
        const lost = socket.tcp.info()?.lost ?? 0
        drop.stop()
        await scene.pass(3)
        return lost
      }
      const before = await burst()
      // Two segments overtake a third.
      const late = scene.network.hold(({ from, length }) => from === name && length > 0, { times: 1 })
      socket.write(Buffer.alloc(3 * SEGMENT))
      await scene.network.advance(20)
      late.release()
      await scene.pass(1)
      const seen = socket.tcp.info()?.reord_seen ?? 0
      scene.check(`tcp_fack=${fack}: reordering was seen between the two bursts`, seen > 0, String(seen))
      marks.push([before, await burst()])
      socket.destroy()
    }
    const [fack, sack] = marks
    scene.check('SACK counting marks one as lost', sack[0] === 1, String(sack[0]))
    scene.check('FACK marks four', fack[0] === 4, String(fack[0]))
    scene.check('after reordering both mark one', fack[1] === 1 && sack[1] === 1, `${fack[1]}, ${sack[1]}`)
  },
}

export const rackReordering: Experiment = {
  name: 'rack-reordering',
  chapter: 'Retransmission',
  setting: 'a transfer of 1 MB over 20 Mbit/s and 20 ms; every tenth segment comes 2 ms late, nothing is lost',
  shows:
    'RACK waits a little longer and sends nothing again once it knows of the reordering; counting SACKs (tcp_recovery=0, tcp_max_reordering=3) sends in vain',
  network: { ...LINK, sysctl: SYSCTL },
  virtualOnly: true,
  async run(scene) {
    const found: Record<string, number>[] = []
    for (const recovery of [1, 0]) {
      const name = recovery === 1 ? 'client' : 'client-counting'
      // Nothing is learnt of how far segments stray, as before Linux measured it.
      const socket = await connectFrom(scene, name, {
        tcp_recovery: recovery,
        ...(recovery === 0 && { tcp_max_reordering: 3 }),
      })
      scene.network.link(name, 'server', { delay: 10, rate: 20e6, reorder: '10% by 2ms' }, { delay: 10 })
      socket.write(Buffer.alloc(1_000_000))
      await scene.pass(1.5)
      const { bytes_acked = 0, total_retrans = 0, dsack_dups = 0, reord_seen = 0 } = socket.tcp.info() ?? {}
      found.push({ bytes_acked, total_retrans, dsack_dups, reord_seen })
      scene.note(
        `tcp_recovery=${recovery}: ${total_retrans} sent again, ${dsack_dups} of them in vain, reordering seen ${reord_seen} times`,
      )
    }
    const [rack, counting] = found
    scene.check('all arrives', rack.bytes_acked >= 1_000_000 && counting.bytes_acked >= 1_000_000)
    scene.check('reordering was seen', rack.reord_seen > 0, String(rack.reord_seen))
    scene.check('with RACK next to nothing is sent again', rack.total_retrans <= 3, String(rack.total_retrans))
    scene.check(
      'counting SACKs, much is, and in vain',
      counting.total_retrans > 10 && counting.dsack_dups > 0.8 * counting.total_retrans,
      `${counting.total_retrans}, ${counting.dsack_dups} reported as duplicates`,
    )
  },
}

export const earlyRetransmit: Experiment = {
  name: 'early-retransmit',
  chapter: 'Retransmission',
  setting: 'three segments, the first of which is lost, and nothing more to send; tcp_recovery=0, no tail loss probe',
  shows: 'with tcp_early_retrans=1 the second duplicate is enough; with 0 there are too few, and the timeout must do',
  network: { ...LINK, sysctl: { ...SYSCTL, tcp_recovery: 0 } },
  async run(scene) {
    for (const early of [1, 0]) {
      const name = early === 1 ? 'client' : 'client-0'
      const socket = await connectFrom(scene, name, { tcp_early_retrans: early })
      const from = scene.seen.length
      scene.network.drop((segment) => segment.from === name && segment.length > 0, { times: 1 })
      socket.write(Buffer.alloc(3 * SEGMENT))
      await scene.pass(2)
      const [lost] = dataFrom(scene, name, from)
      const repair = dataFrom(scene, name, from).find(({ attempt }) => attempt > 1)
      const took = (repair?.time ?? Infinity) - (lost?.time ?? 0)
      const duplicates = scene.seen.filter(
        ({ from: sender, to, time, sack }) =>
          sender === 'server' && to === name && sack.length > 0 && time + LINK.delay <= (repair?.time ?? 0) + 0.1,
      ).length
      const { TCPTimeouts } = scene.host(name).counters()
      const title = `tcp_early_retrans=${early}`
      if (early === 1) {
        scene.check(`${title}: sent again on the second duplicate`, duplicates === 2, String(duplicates))
        scene.check(`${title}: after a round trip`, took < 150 && TCPTimeouts === 0, `${took.toFixed(0)} ms`)
      } else scene.check(`${title}: a timeout`, TCPTimeouts === 1 && took > 250, `${took.toFixed(0)} ms`)
    }
  },
}

export const spuriousRto: Experiment = {
  name: 'spurious-rto',
  chapter: 'Retransmission',
  setting:
    'in the middle of a transfer nothing arrives for 1.5 s, and then all of it does; with timestamps (Eifel), with F-RTO, with both off',
  shows: 'the timeout is found to be needless, cwnd and ssthresh are restored; with both off the window has collapsed',
  network: { ...LINK, sysctl: { ...SYSCTL, tcp_congestion_control: 'reno', tcp_recovery: 0, tcp_early_retrans: 0 } },
  virtualOnly: true,
  async run(scene) {
    const windows: { name: string; points: [number, number][] }[] = []
    for (const [title, sysctl] of [
      ['Eifel', { tcp_timestamps: 1, tcp_frto: 0 }],
      ['F-RTO', { tcp_timestamps: 0, tcp_frto: 2 }],
      ['neither', { tcp_timestamps: 0, tcp_frto: 0, tcp_dsack: 0 }],
    ] as const) {
      const name = title === 'Eifel' ? 'client' : `client-${title}`
      if (title === 'neither') scene.server.sysctl.set('tcp_dsack', 0)
      const socket = await connectFrom(scene, name, sysctl)
      const beganMs = scene.network.now()
      const points: [number, number][] = []
      windows.push({ name: title, points })
      scene.host(name).stack.trace((event) => {
        if (event.type === 'cwnd') points.push([(event.time - beganMs) / 1000, event.cwnd / SEGMENT])
      })
      socket.write(Buffer.alloc(400 * SEGMENT))
      await scene.network.advance(250)
      const before = socket.tcp.info()
      const held = scene.network.hold(({ from }) => from === name)
      await scene.pass(1.5)
      const during = socket.tcp.info()
      held.release()
      await scene.network.advance(200)
      const after = socket.tcp.info()
      // What was under way when the delay began has still been acknowledged.
      const values = points.map(([, value]) => Math.floor(value))
      const had = Math.max(...values.slice(0, values.indexOf(1)))
      const has = after?.snd_cwnd ?? 0
      scene.check(
        `${title}: the delay is taken for loss at first`,
        (during?.snd_cwnd ?? 0) <= 1,
        `cwnd ${had}, then ${during?.snd_cwnd}`,
      )
      const threshold = after?.snd_ssthresh ?? 0
      const found = `cwnd ${has}, ssthresh ${threshold > 1e6 ? 'infinite' : threshold}`
      if (title === 'neither')
        scene.check(`${title}: the window has collapsed`, has < 0.6 * had && threshold <= 0.6 * had, found)
      else {
        scene.check(`${title}: it is found out, and cwnd restored`, has >= had && after?.ca_state === 0, found)
        scene.check(`${title}: and ssthresh`, threshold === before?.snd_ssthresh, found)
      }
      await scene.pass(3)
      points.push([5, points.at(-1)?.[1] ?? 0])
      socket.destroy()
    }
    scene.graph('cwnd', windows, { title: 'a delay of 1.5 s in a transfer: the congestion window', unit: 'segments' })
  },
}
