import { bdp, between, ControllerStates, line, MBIT, mean, PAYLOAD, type Series, sample } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Panel } from '../panels.ts'
import type { Curve } from '../plot.ts'

const CHAPTER = 'Congestion'

/** One curve of each of several runs. */
const curvesOf = (runs: ReadonlyMap<string, Series>, of: keyof Series): Curve[] =>
  [...runs].map(([name, series]) => line(name, series[of]))

export const hystart: Experiment = {
  name: 'hystart',
  chapter: CHAPTER,
  setting:
    "cubic over 100 Mbit/s (in short: 20) and 100 ms with a queue of twelve round trips: slow start ended by HyStart++, by the kernel's HyStart, and by loss",
  shows: 'both HyStarts leave slow start before anything is lost; without, the end is a burst of losses',
  bulk: true,
  async run(scene) {
    const rate = (scene.settings.full === true ? 100 : 20) * MBIT
    const rttMs = 100
    const runs = new Map<string, Series>()
    for (const mode of ['hystart++', 'hystart', 'off']) {
      const run = scene.flows(mode, {
        ...{ rate, rttMs, queue: 12 * bdp(rate, rttMs), sysctl: { tcp_cubic_hystart: mode } },
        flows: [{ congestionControl: 'cubic' }],
      })
      const [series] = sample(run, 5000, 20)
      const { snd_ssthresh, total_retrans } = run.flows[0].endpoint.info()
      runs.set(mode, series)
      scene.done(run)
      const { overflowed } = run.lost
      const found = `${overflowed} lost, ${total_retrans} sent again, ssthresh ${snd_ssthresh}`
      if (mode === 'off') scene.check(`${mode}: slow start ends in a burst of losses`, overflowed > 100, found)
      else {
        const left = snd_ssthresh < 2 ** 31 - 1
        scene.check(`${mode}: slow start is left, and nothing was lost`, left && overflowed === 0, found)
      }
    }
    const title = `the end of slow start: cubic, ${rate / MBIT} Mbit/s, ${rttMs} ms, queue of twelve round trips`
    scene.panels(
      '',
      [
        { unit: 'cwnd, segments', curves: curvesOf(runs, 'cwnd') },
        { unit: 'RTT, ms', curves: curvesOf(runs, 'rtt') },
        { unit: 'delivery rate, Mbit/s', curves: curvesOf(runs, 'rate') },
      ],
      { title },
    )
  },
}

export const lossyBulk: Experiment = {
  name: 'lossy-bulk',
  chapter: CHAPTER,
  setting: 'bulk transfers by cubic and bbr over 100 Mbit/s and 0.3 ms, of which 5 % are lost',
  shows:
    'cwnd, ssthresh, retransmissions, losses and backoff as ss -i shows them, falling and recovering; bbr carries more',
  bulk: true,
  async run(scene) {
    const [rate, rttMs, seconds] = [100 * MBIT, 0.3, scene.settings.full === true ? 10 : 1]
    const goodputs: number[] = []
    const runs = new Map<string, Series>()
    for (const congestionControl of ['cubic', 'bbr']) {
      const run = scene.flows(congestionControl, {
        ...{ rate, rttMs, queue: 100_000, loss: 0.05 },
        flows: [{ congestionControl }],
      })
      const seen = { lowest: Infinity, highest: 0, backoff: 0, lost: 0 }
      const series: Series[] = []
      for (let ms = 20; ms <= seconds * 1000; ms += 20) {
        sample(run, ms, 20, series)
        const info = run.flows[0].endpoint.info()
        seen.lowest = Math.min(seen.lowest, info.snd_cwnd)
        seen.highest = Math.max(seen.highest, info.snd_cwnd)
        seen.backoff = Math.max(seen.backoff, info.backoff)
        seen.lost = Math.max(seen.lost, info.lost)
        if (ms % (seconds * 50) === 0) {
          const { snd_cwnd, snd_ssthresh, retrans, total_retrans, lost, backoff, rto, rtt } = info
          const threshold = snd_ssthresh < 2 ** 31 - 1 ? ` ssthresh:${snd_ssthresh}` : ''
          scene.note(
            `${(ms / 1000).toFixed(2)} s ${congestionControl} rto:${rto / 1000} ${backoff > 0 ? `backoff:${backoff} ` : ''}rtt:${(rtt / 1000).toFixed(3)} ` +
              `cwnd:${snd_cwnd}${threshold} retrans:${retrans}/${total_retrans}${lost > 0 ? ` lost:${lost}` : ''}`,
          )
        }
      }
      runs.set(congestionControl, series[0])
      const { total_retrans, data_segs_out } = run.flows[0].endpoint.info()
      goodputs.push(mean(series[0].rate.map(([, value]) => value)))
      const part = total_retrans / data_segs_out
      scene.check(
        `${congestionControl}: what is lost is sent again, and little else`,
        part > 0.04 && part < 0.07,
        `${(100 * part).toFixed(1)} %`,
      )
      if (congestionControl === 'cubic') {
        const { lowest, highest } = seen
        scene.check(
          'cubic: the window falls and recovers',
          lowest <= 5 && highest >= 2 * lowest,
          `${lowest} … ${highest}`,
        )
      }
      const counters = run.client.counters()
      scene.note(
        `${congestionControl}: ${counters.TCPTimeouts} timeouts, ${counters.TCPSackRecovery} recoveries, highest backoff ${seen.backoff}`,
      )
      scene.done(run)
    }
    const [cubic, bbr] = goodputs
    scene.check('bbr carries more', bbr > cubic, `${bbr.toFixed(1)}, ${cubic.toFixed(1)} Mbit/s`)
    scene.panels(
      '',
      [
        { unit: 'cwnd, segments', curves: curvesOf(runs, 'cwnd') },
        { unit: 'delivery rate, Mbit/s', curves: curvesOf(runs, 'rate') },
      ],
      { title: '5 % loss, 100 Mbit/s, 0.3 ms' },
    )
  },
}

export const operatingPoint: Experiment = {
  name: 'operating-point',
  chapter: CHAPTER,
  setting: 'a window fixed by hand, from 0.1 to 5 times what 10 Mbit/s and 40 ms hold; a queue of three times that',
  shows:
    'the two knees: up to one the rate grows and the round trip does not, from then on it is the other way round, until the queue overflows',
  bulk: true,
  async run(scene) {
    const [rate, rttMs] = [10 * MBIT, 40]
    const held = bdp(rate, rttMs)
    const rows: number[][] = []
    for (const factor of [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]) {
      const cwnd = Math.round(factor * held * PAYLOAD)
      const run = scene.flows(`${factor}`, {
        ...{ rate, rttMs, queue: 3 * held, sysctl: { tcp_pacing: 0 } },
        flows: [{ congestionControl: 'fixed', congestionOptions: { cwnd } }],
      })
      run.run(500)
      const [series] = sample(run, 1500, 50)
      const all = (of: keyof Series): number => mean(series[of].map(([, value]) => value))
      rows.push([factor, all('rate'), all('rtt'), run.lost.overflowed])
      scene.note(
        `${factor} BDP: ${all('rate').toFixed(2)} Mbit/s, RTT ${all('rtt').toFixed(1)} ms, ${run.lost.overflowed} lost`,
      )
      scene.done(run)
    }
    // With less, a window is so few segments that delayed acknowledgements count.
    const under = rows.filter(([factor]) => factor >= 0.25 && factor <= 0.75)
    const over = rows.filter(([factor]) => factor >= 1.25 && factor <= 3.5)
    const full = (rate / MBIT) * PAYLOAD
    scene.check(
      'below one BDP: the rate is the window in a round trip, which is the bare one',
      under.every(([factor, goodput, rtt]) => Math.abs(goodput / (factor * full) - 1) < 0.13 && rtt < 1.15 * rttMs),
      under.map(([factor, goodput, rtt]) => `${factor}: ${goodput.toFixed(2)}, ${rtt.toFixed(1)}`).join('; '),
    )
    scene.check(
      'above it: the full rate, and the round trip grows as the window does',
      over.every(([factor, goodput, rtt]) => goodput > 0.97 * full && Math.abs(rtt / (factor * rttMs) - 1) < 0.1),
      over.map(([factor, goodput, rtt]) => `${factor}: ${goodput.toFixed(2)}, ${rtt.toFixed(1)}`).join('; '),
    )
    const [fits, exceeds] = [rows.filter(([factor]) => factor <= 3.5), rows.filter(([factor]) => factor >= 4.5)]
    scene.check(
      'above four there is no room in the queue, and loss begins',
      fits.every(([, , , lost]) => lost === 0) && exceeds.every(([, , , lost]) => lost > 0),
      exceeds.map(([factor, , , lost]) => `${factor}: ${lost}`).join('; '),
    )
    const curve = (name: string, column: number): Curve => ({
      name,
      shape: 'marked',
      points: rows.map((row) => [row[0], row[column]]),
    })
    const panels: Panel[] = [
      { unit: 'RTT, ms', curves: [curve('round-trip time', 2)], bands: REGIONS },
      { unit: 'Mbit/s', curves: [curve('delivery rate', 1)], bands: REGIONS },
    ]
    scene.panels('', panels, {
      title: 'where a path is best used: 10 Mbit/s, 40 ms, queue of three round trips',
      across: 'window, of what the path holds without a queue (BDP)',
    })
    scene.csv('', ['bdp', 'goodput_mbit', 'rtt_ms', 'lost'], rows)
  },
}

const REGIONS = [
  { from: 0, to: 1, name: 'limited by the window' },
  { from: 1, to: 4, name: 'limited by the rate: the queue fills' },
  { from: 4, to: 5, name: 'the queue overflows' },
] as const

export const bufferbloat: Experiment = {
  name: 'bufferbloat',
  chapter: CHAPTER,
  setting: 'bulk transfers by cubic and bbr over 10 Mbit/s and 40 ms, before which a whole second can queue',
  shows:
    'under cubic the round trip grows to hundreds of milliseconds, under bbr it stays near 40 ms; the rate is the same',
  bulk: true,
  async run(scene) {
    const [rate, rttMs] = [10 * MBIT, 40]
    const seconds = scene.settings.full === true ? 60 : 12
    const runs = new Map<string, Series>()
    for (const congestionControl of ['cubic', 'bbr']) {
      const run = scene.flows(congestionControl, {
        // HyStart would keep the queue empty for the first half minute.
        ...{ rate, rttMs, queue: rate / 8, sysctl: { tcp_cubic_hystart: 'off' } },
        flows: [{ congestionControl }],
      })
      const [series] = sample(run, seconds * 1000, 50)
      runs.set(congestionControl, series)
      scene.done(run)
    }
    const median = (name: string): number => {
      const found = between(runs.get(name)?.rtt ?? [], 3, seconds).sort((a, b) => a - b)
      return found[found.length >> 1] ?? 0
    }
    const rateOf = (name: string): number => mean(between(runs.get(name)?.rate ?? [], 0, seconds))
    scene.check(
      'cubic: the median round trip is above 400 ms',
      median('cubic') > 400,
      `${median('cubic').toFixed(0)} ms`,
    )
    scene.check(
      'bbr: it is below 1.3 times the bare one',
      median('bbr') < 1.3 * rttMs,
      `${median('bbr').toFixed(0)} ms`,
    )
    const [cubic, bbr] = [rateOf('cubic'), rateOf('bbr')]
    scene.check('bbr carries as much, to a tenth', bbr > 0.9 * cubic, `${bbr.toFixed(2)}, ${cubic.toFixed(2)} Mbit/s`)
    scene.panels(
      '',
      [
        { unit: 'RTT, ms', curves: curvesOf(runs, 'rtt') },
        { unit: 'in flight, segments', curves: curvesOf(runs, 'inflight') },
        { unit: 'delivery rate, Mbit/s', curves: curvesOf(runs, 'rate') },
      ],
      { title: 'a second of queue: 10 Mbit/s, 40 ms' },
    )
  },
}

export const bbrStartup: Experiment = {
  name: 'bbr-startup',
  chapter: CHAPTER,
  setting:
    'bulk transfers by bbr and cubic over 10 Mbit/s and 40 ms with a queue of eight round trips; the first second, and the first eight',
  shows:
    'STARTUP doubles until the rate is found, DRAIN empties the queue that this made, PROBE_BW keeps it short; cubic fills it',
  bulk: true,
  async run(scene) {
    const [rate, rttMs, endMs] = [10 * MBIT, 40, 8000]
    const states = new ControllerStates()
    const runs = new Map<string, Series>()
    for (const congestionControl of ['bbr', 'cubic']) {
      const run = scene.flows(congestionControl, {
        ...{ rate, rttMs, queue: 8 * bdp(rate, rttMs), sysctl: { tcp_cubic_hystart: 'off' } },
        tracer: congestionControl === 'bbr' ? states : undefined,
        flows: [{ congestionControl }],
      })
      const series = sample(run, 1000, 20)
      sample(run, endMs, 20, series)
      runs.set(congestionControl, series[0])
      scene.done(run)
    }
    const [startup, drain, probe] = states.changes
    const order = states.changes.map(({ state }) => state).join(' → ')
    scene.check('bbr goes STARTUP → DRAIN → PROBE_BW', order.startsWith('STARTUP → DRAIN → PROBE_BW'), order)
    const took = (drain?.t ?? Infinity) - (startup?.t ?? 0)
    scene.check('the rate is found within a second', took < 1, `${(1000 * took).toFixed(0)} ms`)
    const bbr = runs.get('bbr') as Series
    const cubic = runs.get('cubic') as Series
    const peak = Math.max(...between(bbr.rtt, 0, probe?.t ?? 0))
    const settled = mean(between(bbr.rtt, (probe?.t ?? 0) + 0.5, 5))
    scene.check(
      'STARTUP makes a queue, and DRAIN empties it',
      peak > 1.5 * rttMs && settled < 1.3 * rttMs,
      `${peak.toFixed(0)}, then ${settled.toFixed(0)} ms`,
    )
    const filled = Math.max(...between(cubic.rtt, 0, 8))
    scene.check('cubic fills the queue', filled > 5 * rttMs, `${filled.toFixed(0)} ms`)
    const goodput = mean(between(bbr.rate, (probe?.t ?? 0) + 0.5, 8))
    scene.check('bbr fills the link', goodput > 0.9 * PAYLOAD * (rate / MBIT), `${goodput.toFixed(2)} Mbit/s`)
    for (const [part, until] of [
      ['1s', 1],
      ['8s', 8],
    ] as const) {
      const bands = states.bands(until)
      const curves = (of: keyof Series): Curve[] =>
        curvesOf(runs, of).map((curve) => ({ ...curve, points: curve.points.filter(([t]) => t <= until) }))
      scene.panels(
        part,
        [
          { unit: 'RTT, ms', curves: curves('rtt'), bands },
          { unit: 'in flight, segments', curves: curves('inflight'), bands },
          { unit: 'delivery rate, Mbit/s', curves: curves('rate'), bands },
        ],
        {
          title: `bbr and cubic, the first ${until === 1 ? 'second' : '8 seconds'}: 10 Mbit/s, 40 ms (states of bbr behind)`,
        },
      )
    }
  },
}

export const bbrBandwidthStep: Experiment = {
  name: 'bbr-bandwidth-step',
  chapter: CHAPTER,
  setting:
    'the rate of a path of 40 ms goes from 10 to 20 Mbit/s and back, at 20 and 40 s (in short: at 8 and 14 s); bbr, and cubic beside it',
  shows:
    'bbr has nine tenths of the new rate within 3 s, and after the way down its queue is gone within 5 s; cubic fills the buffer',
  bulk: true,
  async run(scene) {
    const [rate, rttMs] = [10 * MBIT, 40]
    const [up, down, end] = scene.settings.full === true ? [20, 40, 60] : [8, 14, 20]
    const runs = new Map<string, Series>()
    for (const congestionControl of ['bbr', 'cubic']) {
      const run = scene.flows(congestionControl, {
        ...{ rate, rttMs, queue: 500_000, sysctl: { tcp_cubic_hystart: 'off' } },
        flows: [{ congestionControl }],
      })
      const everyMs = 50
      const series = sample(run, up * 1000, everyMs)
      run.setRate(2 * rate)
      sample(run, down * 1000, everyMs, series)
      run.setRate(rate)
      sample(run, end * 1000, everyMs, series)
      runs.set(congestionControl, series[0])
      scene.done(run)
    }
    const bbr = runs.get('bbr') as Series
    const cubic = runs.get('cubic') as Series
    const found = mean(between(bbr.rate, up + 3, up + 4)) / (2 * (rate / MBIT) * PAYLOAD)
    scene.check(
      'bbr: three seconds after the step up, nine tenths of the new rate',
      found >= 0.9,
      `${(100 * found).toFixed(0)} %`,
    )
    const highest = Math.max(...between(bbr.rtt, down, down + 5))
    const rtts = between(bbr.rtt, down + 5, down + 6)
    scene.check(
      'bbr: five seconds after the step down the round trip is within 1.3 of the bare one',
      mean(rtts) <= 1.3 * rttMs,
      `${mean(rtts).toFixed(0)} ms, after ${highest.toFixed(0)}`,
    )
    const bloated = Math.max(...between(cubic.rtt, 2, end))
    scene.check('cubic fills the buffer', bloated > 6 * rttMs, `${bloated.toFixed(0)} ms`)
    const bands = [
      { from: 0, to: up, name: '10 Mbit/s' },
      { from: up, to: down, name: '20 Mbit/s' },
      { from: down, to: end, name: '10 Mbit/s' },
    ]
    scene.panels(
      '',
      [
        { unit: 'delivery rate, Mbit/s', curves: curvesOf(runs, 'rate'), bands },
        { unit: 'RTT, ms', curves: curvesOf(runs, 'rtt'), bands },
        { unit: 'in flight, segments', curves: curvesOf(runs, 'inflight'), bands },
      ],
      { title: 'a step of the rate up, and down again: RTT 40 ms, queue of 500 KB' },
    )
  },
}

/** Jain's index: 1 where all shares are equal. */
const jain = (shares: readonly number[]): number =>
  shares.reduce((sum, share) => sum + share, 0) ** 2 /
  (shares.length * shares.reduce((sum, share) => sum + share ** 2, 0))

export const fairness: Experiment = {
  name: 'fairness',
  chapter: CHAPTER,
  setting:
    'two flows on one link of 10 Mbit/s (in short: 5), 40 ms and a queue of two round trips; the second begins two seconds later',
  shows:
    'flows of one controller come to share the link: cubic within 60/40, bbr within 65/35; of different ones, the shares as they are',
  bulk: true,
  async run(scene) {
    const full = scene.settings.full === true
    const [rate, rttMs] = [(full ? 10 : 5) * MBIT, 40]
    const [from, end] = full ? [30, 60] : [20, 30]
    const pairs = full ? [...SAME, ...MIXED] : SAME.slice(0, 2)
    const rows: (string | number)[][] = []
    const panels: Panel[] = []
    for (const [first, second, most] of pairs) {
      const run = scene.flows(`${first}-${second}`, {
        ...{ rate, rttMs, queue: 2 * bdp(rate, rttMs) },
        flows: [{ congestionControl: first }, { congestionControl: second, startMs: 2000 }],
      })
      const series = sample(run, end * 1000, 500)
      scene.done(run)
      const shares = series.map(({ rate: delivered }) => mean(between(delivered, from, end)))
      const sum = shares[0] + shares[1]
      const share = shares[0] / sum
      const index = jain(shares)
      const found = `${(100 * share).toFixed(0)}/${(100 - 100 * share).toFixed(0)}, Jain's index ${index.toFixed(3)}`
      const title = `${first} and ${second}`
      scene.note(`${title}: ${found}`)
      if (most < 1) {
        scene.check(
          `${title}: from ${from} s on within ${100 * most}/${Math.round(100 - 100 * most)}`,
          Math.max(share, 1 - share) <= most,
          found,
        )
      }
      scene.check(`${title}: the link is used`, sum > 0.85 * (rate / MBIT) * PAYLOAD, `${sum.toFixed(2)} Mbit/s`)
      rows.push([first, second, shares[0], shares[1], index])
      panels.push({
        unit: title,
        curves: series.map(({ rate: delivered }, i) => line(i === 0 ? 'first flow' : 'second flow', delivered)),
      })
    }
    scene.panels('', panels, {
      title: `two flows on one link of ${rate / MBIT} Mbit/s: delivery rate, Mbit/s`,
      height: 180 * panels.length,
    })
    scene.csv('shares', ['first', 'second', 'first_mbit', 'second_mbit', 'jain'], rows)
  },
}

const SAME = [
  ['cubic', 'cubic', 0.6],
  ['bbr', 'bbr', 0.65],
  ['reno', 'reno', 0.6],
  ['westwood', 'westwood', 1],
  ['vegas', 'vegas', 1],
  ['bbr3', 'bbr3', 1],
] as const
const MIXED = [
  ['cubic', 'reno', 1],
  ['cubic', 'bbr', 1],
  ['cubic', 'bbr3', 1],
] as const
