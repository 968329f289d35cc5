import type { DirectionFields, Rng } from '../../src/impair/index.ts'
import type { SimLink } from '../../src/testing/sim/sim-link.ts'
import type { World } from '../../src/testing/sim/world.ts'

const MS = 1000

/** A stretch of time, ms since the world began. */
export interface Span {
  from: number
  to: number
}

/** What changes on one direction of a link while it is in use; its pipeline has what stays the same. */
export interface WeatherPlan {
  /** Loss in bursts: stretches of `good` and `bad` of so many ms on average, in the bad ones so much is lost. */
  bursts?: { good: number; bad: number; loss: number }
  /** Nothing gets through. */
  outages?: Span[]
  /** Datagrams of more bytes than `size` vanish without a word. */
  holes?: (Span & { size: number })[]
  /** Everything takes `by` ms longer. */
  spikes?: (Span & { by: number })[]
}

const within = ({ from, to }: Span, nowMs: number): boolean => nowMs >= from && nowMs < to

/** Makes the weather of a plan on a link. Chance comes from `rng` only. */
export function makeWeather(world: World, link: SimLink, fields: DirectionFields, plan: WeatherPlan, rng: Rng): void {
  const { bursts, outages = [], holes = [], spikes = [] } = plan
  let bad = false
  let changesMs = 0
  const inBurst = (nowMs: number): boolean => {
    if (bursts === undefined) return false
    while (changesMs <= nowMs) {
      bad = changesMs > 0 && !bad
      changesMs += 0.001 - Math.log(1 - rng.next()) * (bad ? bursts.bad : bursts.good)
    }
    return bad && rng.next() < bursts.loss
  }
  link.tap = (datagram) => {
    const nowMs = world.nowUs / MS
    if (outages.some((span) => within(span, nowMs))) return false
    if (holes.some((hole) => within(hole, nowMs) && datagram.length > hole.size)) return false
    return !inBurst(nowMs)
  }
  for (const { from, to, by } of spikes) {
    world.at(from * MS, () => link.set({ ...fields, delay: Number(fields.delay ?? 0) + by }))
    world.at(to * MS, () => link.set(fields))
  }
}
