import { mean } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Scene } from '../scene.ts'
import { connectFrom } from './detection.ts'

/** How far apart the segments are that are measured, ms: never more than one is out. */
const EVERY_MS = 1000
const [STEP_AT, JITTER_AT, END] = [15, 35, 60]
const [SHORT_MS, LONG_MS, SPREAD_MS] = [50, 400, 100]
const PLAIN = { tcp_early_retrans: 0, tcp_no_metrics_save: 1, tcp_delack_min_ms: 0, tcp_delack_max_ms: 0 }

type Points = [t: number, value: number][]

interface Curve {
  readonly name: string
  /** Milliseconds; the timeout in force when each segment left. */
  readonly rto: Points
  readonly srtt: Points
  timeouts: number
  /** Timeouts after the step, and after the jitter began. */
  readonly at: number[]
}

/** rfc6298#2 to the letter, but with Linux's floor: smoothed time plus four times the mean deviation. */
class JacobsonKarels {
  #srtt = 0
  #rttvar = 0
  rto = 1000

  sample(rtt: number): void {
    if (this.#srtt === 0) {
      this.#srtt = rtt
      this.#rttvar = rtt / 2
    } else {
      this.#rttvar += (Math.abs(this.#srtt - rtt) - this.#rttvar) / 4
      this.#srtt += (rtt - this.#srtt) / 8
    }
    this.rto = Math.max(200, this.#srtt + 4 * this.#rttvar)
  }
}

export const rttEstimators: Experiment = {
  name: 'rtt-estimators',
  chapter: 'Retransmission',
  setting: `a segment a second over 50 ms, from ${STEP_AT} s on over 400 ms, from ${JITTER_AT} s on over 300 to 500 ms; RFC 793, Jacobson/Karels, Linux`,
  shows:
    'the RTO of each, and the timeouts that were needless: at the step all are too early, but RFC 793 goes on being so; without timestamps Karn learns nothing from a segment sent twice, with them the first teaches',
  network: { sysctl: PLAIN },
  virtualOnly: true,
  async run(scene) {
    scene.server.sysctl.assign({ tcp_delack_min_ms: 0, tcp_delack_max_ms: 0 })
    const linux = await measure(scene, 'client', 'Linux', {})
    const classic = await measure(scene, 'client-793', 'RFC 793', { rto_algorithm: 'rfc793' })
    const karn = await measure(scene, 'client-karn', 'Linux, no timestamps', { tcp_timestamps: 0 })
    const jacobson = reckoned(linux.rtts)
    const curves = [classic.curve, jacobson, linux.curve, karn.curve]
    for (const { name, timeouts, at } of curves)
      scene.note(`${name}: ${timeouts} needless timeouts, at ${at.map((t) => t.toFixed(0)).join(' ')} s`)
    const stepped = ({ at }: Curve): number => at.filter((t) => t < JITTER_AT).length
    scene.check(
      'the step is too sudden for each: a timeout',
      curves.every((curve) => stepped(curve) >= 1),
      curves.map(stepped).join(', '),
    )
    scene.check(
      'RFC 793 is too early most often',
      curves.every((curve) => curve === classic.curve || stepped(curve) < stepped(classic.curve)),
      curves.map(stepped).join(', '),
    )
    scene.check('Linux no more than once with timestamps', linux.curve.timeouts === 1, String(linux.curve.timeouts))
    const settled = (curve: Curve): number =>
      mean(curve.rto.filter(([t]) => t > 10 && t < STEP_AT).map(([, value]) => value))
    scene.check(
      'settled at 50 ms, Linux adds 200 ms for the variance',
      Math.abs(settled(linux.curve) - (SHORT_MS + 200)) < 10,
      `${settled(linux.curve).toFixed(0)} ms`,
    )
    const after = (points: Points): number => points.find(([t]) => t > STEP_AT + 0.9)?.[1] ?? 0
    scene.check(
      'without timestamps, the segment sent twice teaches nothing',
      Math.abs(after(karn.curve.srtt) - SHORT_MS) < 5,
      `srtt ${after(karn.curve.srtt).toFixed(0)} ms`,
    )
    scene.check(
      'with timestamps it does',
      after(linux.curve.srtt) > SHORT_MS + 20,
      `srtt ${after(linux.curve.srtt).toFixed(0)} ms`,
    )
    const learnt = karn.curve.srtt.findLast(([t]) => t < JITTER_AT)?.[1] ?? 0
    scene.check(
      'backed off, the next is sent once, and does',
      learnt > 300,
      `srtt ${learnt.toFixed(0)} ms at ${JITTER_AT} s`,
    )
    scene.graph(
      'rto',
      [
        { name: 'round-trip time', points: linux.rtts, shape: 'points' },
        ...curves.map(({ name, rto }) => ({ name, points: rto })),
      ],
      { title: 'the retransmission timeout of four estimators, a segment a second', unit: 'ms' },
    )
  },
}

/** Writes a segment each second, and looks at the estimator when each leaves. */
async function measure(
  scene: Scene,
  host: string,
  name: string,
  sysctl: Readonly<Record<string, unknown>>,
): Promise<{ curve: Curve; rtts: Points }> {
  const link = (delay: number): void => scene.network.link(host, 'server', { delay: delay / 2 }, { delay: delay / 2 })
  scene.host(host)
  link(SHORT_MS)
  const socket = await connectFrom(scene, host, sysctl)
  const curve: Curve = { name, rto: [], srtt: [], timeouts: 0, at: [] }
  const rtts: Points = []
  const beganMs = scene.network.now()
  for (let second = 0; second < END; second++) {
    link(rttAt(second))
    const info = socket.tcp.info()
    const { TCPTimeouts } = scene.host(host).counters()
    const sentMs = scene.network.now()
    const t = (sentMs - beganMs) / 1000
    curve.rto.push([t, (info?.rto ?? 0) / 1000])
    curve.srtt.push([t, (info?.rtt ?? 0) / 1000])
    rtts.push([t, rttAt(second)])
    socket.write('measure')
    await scene.network.advance(EVERY_MS)
    if (scene.host(host).counters().TCPTimeouts > TCPTimeouts) {
      curve.timeouts++
      curve.at.push(t)
    }
  }
  socket.destroy()
  return { curve, rtts }
}

/** The same for all, so that they can be compared. */
function rttAt(second: number): number {
  if (second < STEP_AT) return SHORT_MS
  return second < JITTER_AT ? LONG_MS : LONG_MS + SPREAD_MS * Math.sin(second * 2.4)
}

/** What the published formula makes of the same round trips, each of them measured. */
function reckoned(rtts: Points): Curve {
  const estimator = new JacobsonKarels()
  const curve: Curve = { name: 'Jacobson/Karels', rto: [], srtt: [], timeouts: 0, at: [] }
  for (const [t, rtt] of rtts) {
    curve.rto.push([t, estimator.rto])
    if (rtt > estimator.rto) {
      curve.timeouts++
      curve.at.push(t)
    }
    estimator.sample(rtt)
  }
  return curve
}
