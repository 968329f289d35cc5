import { once } from 'node:events'
import type { TraceEvent } from '../../observe/index.ts'
import { SEGMENT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Band, Panel } from '../panels.ts'
import type { Curve } from '../plot.ts'
import type { Scene } from '../scene.ts'

const HALF_RTT_MS = 50
const WINDOW = 40
/** Slow enough that acknowledgements come one by one. */
const LINK = { delay: HALF_RTT_MS, rate: 10e6 }
const SYSCTL = {
  tcp_congestion_control: 'reno',
  tcp_init_cwnd: WINDOW,
  tcp_pacing: 0,
  tcp_no_metrics_save: 1,
  tcp_ecn: 1,
  tcp_rmem: [4096, 2 ** 20, 2 ** 22],
  tcp_wmem: [4096, 2 ** 20, 2 ** 22],
}

type Points = [t: number, value: number][]

interface Episode {
  /** Congestion states in their order, from Open on. */
  readonly path: string
  readonly bands: Band[]
  readonly cwnd: Points
  readonly ssthresh: Points
  /** The scoreboard: lost, sent again, selectively acknowledged. */
  readonly board: { readonly lost: Points; readonly retrans: Points; readonly sacked: Points }
  /** Segments left in each twentieth of a round trip. */
  readonly left: Points
  readonly before: number
  readonly after: number
  readonly state: number
}

interface Trouble {
  readonly name: string
  readonly sysctl?: Readonly<Record<string, unknown>>
  /** Segments of data that are lost once, counted from the first. */
  readonly lose?: readonly number[]
  /** Segments to send; default: so many that there is always something. */
  readonly segments?: number
  /** How long it is watched, seconds. Default 1. */
  readonly seconds?: number
  /** Happens when the transfer begins. */
  readonly act?: (host: string, scene: Scene) => Promise<void>
}

let hosts = 0

/** A transfer with something in its way, looked at closely. */
async function episode(scene: Scene, trouble: Trouble): Promise<Episode> {
  const { name, sysctl = {}, lose = [], segments = 300, seconds = 1, act } = trouble
  const host = scene.host(name === 'Recovery' ? 'client' : `client-${++hosts}`)
  for (const [key, value] of Object.entries(sysctl)) host.sysctl.set(key, value)
  const server = scene.server.net.createServer((socket) => socket.resume()).listen(9000 + scene.checks.length)
  const socket = host.net.connect((server.address() as { port: number }).port, 'server')
  await once(socket, 'connect')
  scene.network.drop(
    (segment) =>
      segment.from === host.name &&
      segment.length > 0 &&
      segment.attempt === 1 &&
      lose.includes(segment.offset / SEGMENT),
  )
  const path = ['Open']
  const changes: { t: number; state: string }[] = [{ t: 0, state: 'Open' }]
  const beganMs = scene.network.now()
  const since = (ms: number): number => (ms - beganMs) / 1000
  const cwnd: Points = []
  const ssthresh: Points = []
  const stop = host.stack.trace((event: TraceEvent) => {
    if (event.type === 'cwnd') {
      cwnd.push([since(event.time), event.cwnd / SEGMENT])
      if (event.ssthresh < 1e6 * SEGMENT) ssthresh.push([since(event.time), event.ssthresh / SEGMENT])
    } else if (event.type === 'ca-state') {
      path.push(event.to)
      changes.push({ t: since(event.time), state: event.to })
    }
  })
  const from = scene.seen.length
  const board: Episode['board'] = { lost: [], retrans: [], sacked: [] }
  const before = socket.tcp.info()?.snd_cwnd ?? 0
  cwnd.push([0, before])
  socket.write(Buffer.alloc(segments * SEGMENT))
  const acting = act?.(host.name, scene)
  const everyMs = HALF_RTT_MS / 10
  for (let ms = 0; ms < seconds * 1000; ms += everyMs) {
    await scene.network.advance(everyMs)
    const info = socket.tcp.info()
    if (info === undefined || info === null) break
    const t = since(scene.network.now())
    board.lost.push([t, info.lost])
    board.retrans.push([t, info.retrans])
    board.sacked.push([t, info.sacked])
  }
  await acting
  stop()
  for (const points of [cwnd, ssthresh]) if (points.length > 0) points.push([seconds, points[points.length - 1][1]])
  const { snd_cwnd = 0, ca_state = -1 } = socket.tcp.info() ?? {}
  const left = new Map<number, number>()
  for (const { from: sender, length, time } of scene.seen.slice(from)) {
    if (sender !== host.name || length === 0) continue
    const slot = Math.floor((time - beganMs) / everyMs)
    left.set(slot, (left.get(slot) ?? 0) + 1)
  }
  socket.destroy()
  server.close()
  return {
    path: path.join(' → '),
    bands: changes.map(({ t, state }, i) => ({ from: t, to: changes[i + 1]?.t ?? seconds, name: state })),
    ...{ cwnd, ssthresh, board, before, after: snd_cwnd, state: ca_state },
    left: Array.from({ length: (seconds * 1000) / everyMs }, (_, slot) => [
      (slot * everyMs) / 1000,
      left.get(slot) ?? 0,
    ]),
  }
}

const most = (points: Points): number => Math.max(0, ...points.map(([, value]) => value))
const LOST = [10, 13, 16]

export const recoveryStates: Experiment = {
  name: 'recovery-states',
  chapter: 'Congestion',
  setting:
    'transfers of reno over 100 ms: three segments of forty lost; a segment that comes late; an ECN mark; an outage. Then the ways down: PRR, rate halving, RFC 6675, RFC 5681',
  shows:
    'Open → Disorder → Recovery → Open; Disorder → Open; CWR; Loss; lost, retransmitted and SACKed as the scoreboard counts them; how differently the window comes down; when Recovery ends without SACK, and with',
  network: { ...LINK, sysctl: SYSCTL },
  virtualOnly: true,
  async run(scene) {
    hosts = 0
    const recovery = await episode(scene, { name: 'Recovery', lose: LOST })
    const counts = `lost ${most(recovery.board.lost)}, retransmitted ${most(recovery.board.retrans)}, SACKed ${most(recovery.board.sacked)}`
    scene.check(
      'three losses: Open → Disorder → Recovery → Open',
      recovery.path === 'Open → Disorder → Recovery → Open',
      recovery.path,
    )
    scene.check(
      'the scoreboard counts three lost, three sent again, the others SACKed',
      most(recovery.board.lost) === 3 &&
        most(recovery.board.retrans) === 3 &&
        most(recovery.board.sacked) >= WINDOW - LOST[2],
      counts,
    )
    const threshold = recovery.ssthresh.at(-1)?.[1] ?? 0
    const entered = Math.max(
      ...recovery.cwnd.filter(([t]) => t <= (recovery.bands[2]?.from ?? 0)).map(([, value]) => value),
    )
    scene.check(
      'ssthresh is half the window of that moment',
      Math.abs(threshold / entered - 0.5) < 0.03,
      `${threshold.toFixed(1)} of ${entered.toFixed(1)}`,
    )

    const disorder = await episode(scene, {
      name: 'Disorder',
      act: async (host) => {
        // A segment overtaken by those behind it, less than a quarter of a round trip.
        scene.network.link(host, 'server', { ...LINK, reorder: '10% by 2ms' }, LINK)
        await scene.network.advance(101)
        scene.network.link(host, 'server', LINK)
      },
    })
    scene.check(
      'segments out of order: Disorder and back, no window is lost',
      /^Open( → Disorder → Open)+$/.test(disorder.path) && disorder.after >= disorder.before,
      disorder.path,
    )

    const marked = await episode(scene, {
      name: 'CWR',
      act: async (host) => {
        scene.network.link(host, 'server', { ...LINK, loss: '10%', ecn: true }, LINK)
        await scene.network.advance(1)
        scene.network.link(host, 'server', LINK)
      },
    })
    scene.check(
      'an ECN mark: Open → CWR → Open, nothing is sent again',
      marked.path === 'Open → CWR → Open' && most(marked.board.retrans) === 0,
      marked.path,
    )

    const loss = await episode(scene, {
      name: 'Loss',
      seconds: 2,
      act: async (host) => {
        await scene.network.advance(101)
        scene.network.partition(host)
        await scene.network.advance(600)
        scene.network.heal(host)
      },
    })
    scene.check(
      'an outage: a timeout, Loss, from one segment on',
      loss.path.includes('Loss') && loss.path.endsWith('Open') && Math.min(...loss.cwnd.map(([, value]) => value)) <= 1,
      loss.path,
    )

    const ways = new Map<string, Episode>()
    for (const reduction of ['prr', 'rate_halving', 'rfc6675', 'rfc5681']) {
      ways.set(reduction, await episode(scene, { name: reduction, lose: LOST, sysctl: { cwnd_reduction: reduction } }))
    }
    checkReductions(scene, ways)

    // All that there is to send is lost in part, so that nothing above the recovery point can be acknowledged.
    const burst = { lose: [5], segments: 20 }
    const stays = await episode(scene, { name: 'newreno_exit=1', ...burst, sysctl: { tcp_sack: 0 } })
    const leaves = await episode(scene, { name: 'newreno_exit=0', ...burst, sysctl: { tcp_sack: 0, newreno_exit: 0 } })
    const sack = await episode(scene, { name: 'SACK', ...burst })
    scene.check(
      "Reno's Recovery lasts until something above its recovery point is acknowledged",
      stays.state === RECOVERY,
      stays.path,
    )
    scene.check(
      'with newreno_exit=0 it ends there, as with SACK',
      leaves.state === OPEN && sack.state === OPEN,
      `${leaves.path}; ${sack.path}`,
    )

    const { board } = recovery
    const line = (name: string, points: Points): Curve => ({ name, points })
    scene.panels(
      'states',
      [
        ...[recovery, disorder, marked, loss].map(
          ({ cwnd, ssthresh, bands }, i): Panel => ({
            unit: ['three losses', 'late', 'ECN mark', 'outage'][i],
            curves: [line('cwnd', cwnd), line('ssthresh', ssthresh)],
            bands,
          }),
        ),
        {
          unit: 'three losses',
          curves: [
            line('SACKed (S)', board.sacked),
            line('lost (L)', board.lost),
            line('sent again (R)', board.retrans),
          ],
          bands: recovery.bands,
        },
      ],
      { title: 'the states of the sender, segments', height: 900 },
    )
    const short = (points: Points): Points => points.filter(([t]) => t >= 0.09 && t <= 0.35)
    scene.panels(
      'reductions',
      [
        { unit: 'cwnd, segments', curves: [...ways].map(([name, { cwnd }]) => line(name, short(cwnd))) },
        ...[...ways].map(
          ([name, { left }]): Panel => ({
            unit: `${name}: sent`,
            curves: [{ name, points: short(left) }],
          }),
        ),
      ],
      { title: 'ways down from forty segments to half: the window, and what left in each 5 ms', height: 900 },
    )
  },
}

const [OPEN, RECOVERY] = [0, 3]

function checkReductions(scene: Scene, ways: ReadonlyMap<string, Episode>): void {
  for (const [name, { cwnd, ssthresh, bands, path, left }] of ways) {
    const recovery = bands.find((band) => band.name === 'Recovery')
    const [from, to] = [recovery?.from ?? 0, recovery?.to ?? 0]
    const inside = cwnd.filter(([t]) => t >= from && t < to).map(([, value]) => value)
    const threshold = ssthresh.find(([t]) => t >= from)?.[1] ?? 0
    const atEnd = cwnd.find(([t]) => t >= to)?.[1] ?? 0
    scene.note(
      `${name}: ${path}; ssthresh ${threshold.toFixed(1)}, in Recovery ${inside.map((value) => value.toFixed(0)).join(' ')}, then ${atEnd.toFixed(1)}`,
    )
    scene.check(
      `${name}: Recovery ends at ssthresh`,
      Math.abs(atEnd - threshold) < 1.5,
      `${atEnd.toFixed(1)}, ${threshold.toFixed(1)}`,
    )
    // What was under way goes on arriving for 30 ms.
    const during = left.filter(([t]) => t >= from + 0.005 && t < from + 0.025).map(([, count]) => count)
    const gentle = name === 'prr' || name === 'rate_halving'
    const holds = gentle ? !during.includes(0) : during.filter((count) => count === 0).length >= during.length - 1
    scene.check(
      `${name}: ${gentle ? 'one leaves for two that arrive, from the beginning' : 'nothing leaves at first, until half has drained'}`,
      holds,
      during.join(' '),
    )
  }
}
