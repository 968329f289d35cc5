// What bulk transfers are measured with.

import { BaseTracer } from '../observe/index.ts'
import type { Flows } from '../testing/sim/flows.ts'
import type { Band } from './panels.ts'
import type { Curve } from './plot.ts'

export const MBIT = 1e6
/** Of a bulk segment, its payload; and what of a link's rate is payload, for frames count whole. */
export const SEGMENT = 1436
export const PAYLOAD = SEGMENT / 1468

/** Bytes that a path holds. */
export const bdp = (rate: number, rttMs: number): number => (rate / 8) * (rttMs / 1000)

type Points = [t: number, value: number][]

/** What one flow did, sampled. Times in seconds. */
export interface Series {
  /** Segments. */
  readonly cwnd: Points
  readonly ssthresh: Points
  readonly inflight: Points
  /** Milliseconds, smoothed. */
  readonly rtt: Points
  /** Mbit/s of payload that the sender has learned the arrival of since the last sample, in order or not. */
  readonly rate: Points
}

/** Lets time pass until `ms`, and looks at every flow each `everyMs`. Goes on with `series` of an earlier call. */
export function sample(run: Flows, ms: number, everyMs: number, series: Series[] = []): Series[] {
  const before: number[] = []
  run.flows.forEach((flow, i) => {
    before[i] = flow.endpoint.info().delivered
  })
  run.run(ms, everyMs, (now) => {
    for (const [i, flow] of run.flows.entries()) {
      if (flow === undefined) continue
      series[i] ??= { cwnd: [], ssthresh: [], inflight: [], rtt: [], rate: [] }
      const { cwnd, ssthresh, inflight, rtt, rate } = series[i]
      const info = flow.endpoint.info()
      const t = now / 1000
      cwnd.push([t, info.snd_cwnd])
      if (info.snd_ssthresh < 2 ** 31 - 1) ssthresh.push([t, info.snd_ssthresh])
      inflight.push([t, info.unacked - info.sacked - info.lost + info.retrans])
      if (info.rtt > 0) rtt.push([t, info.rtt / 1000])
      rate.push([t, ((info.delivered - (before[i] ?? 0)) * SEGMENT * 8) / (everyMs * 1000)])
      before[i] = info.delivered
    }
  })
  return series
}

/** The values between two times. */
export const between = (points: readonly (readonly [t: number, value: number])[], from: number, to: number): number[] =>
  points.filter(([t]) => t > from && t <= to).map(([, value]) => value)

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

export const line = (name: string, points: Curve['points']): Curve => ({ name, points, shape: 'line' })

/** The states that a controller goes through, of the first connection. */
export class ControllerStates extends BaseTracer {
  readonly changes: { readonly t: number; readonly state: string }[] = []

  override ccStateChanged(_id: number, now: number, _from: string, to: string): void {
    this.changes.push({ t: now / 1e6, state: to })
  }

  bands(end: number): Band[] {
    return this.changes
      .map(({ t, state }, i) => ({ from: t, to: Math.min(end, this.changes[i + 1]?.t ?? end), name: state }))
      .filter(({ from, to }) => to > from)
  }
}
