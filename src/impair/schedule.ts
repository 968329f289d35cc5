import { formatTimeUs, invalidValue, parseSize, parseTimeUs } from './values.ts'

export interface ScheduleFields {
  /**
   * What happens when, by the clock of the path, which starts with its first packet: `'at 2s blackhole 500ms'`,
   * `'every 10s loss 30% for 1s'`, `'after 64kb reset'`, `'at 5s rebind'`. Several in a list, or in one text divided by `&`.
   */
  schedule?: string | readonly string[]
}

/** Settings of stages, by the stage's name, that hold for a time; null turns a stage off. */
export type Overlay = Readonly<Record<string, unknown>>

export interface ScheduledEvent {
  readonly when: 'at' | 'every' | 'after'
  /** Microseconds, or for `after` bytes of segments in this direction. */
  readonly mark: number
  /** How long it lasts; `Infinity`: for good. */
  readonly forUs: number
  readonly action: 'reset' | 'rebind' | Overlay
  readonly text: string
}

const FORMS = "such as 'at 2s blackhole 500ms', 'every 10s loss 30% for 1s', 'after 64kb reset' or 'at 5s rebind'"

/** `parseOverlay` reads the rest of an event, which is an impairment. */
export function parseSchedule(
  field: string,
  value: unknown,
  parseOverlay: (text: string) => Overlay,
): readonly ScheduledEvent[] {
  if (value === undefined || value === null || value === false || value === 0 || value === '0') return []
  const list = Array.isArray(value) ? value : String(value).split('&')
  return list.map((item) => {
    if (typeof item !== 'string') throw invalidValue(field, item, FORMS)
    return parseEvent(field, item.trim().replace(/\s+/g, ' '), parseOverlay)
  })
}

function parseEvent(field: string, text: string, parseOverlay: (text: string) => Overlay): ScheduledEvent {
  const match = /^(at|every|after) (\S+) (.+?)(?: for (\S+))?$/i.exec(text)
  if (match === null) throw invalidValue(field, text, FORMS)
  const when = match[1].toLowerCase() as ScheduledEvent['when']
  const mark = when === 'after' ? parseSize(`${field} after`, match[2]) : parseTimeUs(`${field} ${when}`, match[2])
  if (when === 'every' && mark === 0) throw invalidValue(`${field} every`, match[2], 'a time above 0')
  // The time of a black hole may stand right behind it.
  const [, blackhole, lasts] = /^(blackhole)(?: (\d\S*))?$/i.exec(match[3]) ?? []
  const duration = match[4] ?? lasts
  const forUs = duration === undefined ? Infinity : parseTimeUs(`${field} for`, duration)
  const canonical = (what: string): string => {
    const at = when === 'after' ? `${mark}b` : formatTimeUs(mark)
    return `${when} ${at} ${what}${forUs === Infinity ? '' : ` for ${formatTimeUs(forUs)}`}`
  }
  const word = match[3].toLowerCase()
  if (word === 'reset' || word === 'rebind') {
    if (duration !== undefined) throw invalidValue(field, text, `without 'for': a ${word} is over at once`)
    return {
      when,
      mark,
      forUs: 0,
      action: word,
      text: `${when} ${when === 'after' ? `${mark}b` : formatTimeUs(mark)} ${word}`,
    }
  }
  if (when === 'every' && forUs >= mark) {
    throw invalidValue(field, text, "given a time that is shorter than the pause, such as 'every 10s loss 30% for 1s'")
  }
  const what = blackhole === undefined ? match[3] : 'blackhole'
  return { when, mark, forUs, action: parseOverlay(what), text: canonical(what) }
}

export const formatSchedule = (events: readonly ScheduledEvent[]): string => events.map(({ text }) => text).join(' & ')

/** A schedule at work on one direction of a path. */
export class Scheduler {
  readonly #events: readonly ScheduledEvent[]
  /** When each `after` was reached. */
  readonly #reachedUs: number[]
  /** How often each event without duration has happened. */
  readonly #happened: number[]
  #active: readonly Overlay[] = []
  /** When something begins or ends next. */
  nextUs = 0

  constructor(events: readonly ScheduledEvent[]) {
    this.#events = events
    this.#reachedUs = events.map(() => Infinity)
    this.#happened = events.map(() => 0)
  }

  /** The settings that hold now. */
  get active(): readonly Overlay[] {
    return this.#active
  }

  /**
   * Brings everything up to a time since the path's first packet, with so many bytes behind. True: `active` is another.
   * `happens` is called for what is over at once.
   */
  look(sinceUs: number, bytes: number, happens: (action: 'reset' | 'rebind') => void): boolean {
    const active: Overlay[] = []
    let nextUs = Infinity
    for (const [i, event] of this.#events.entries()) {
      const { action, mark, forUs } = event
      if (event.when === 'after' && bytes >= mark) this.#reachedUs[i] = Math.min(this.#reachedUs[i], sinceUs)
      const firstUs = event.when === 'after' ? this.#reachedUs[i] : mark
      const times = sinceUs < firstUs ? 0 : event.when === 'every' ? Math.floor(sinceUs / mark) : 1
      if (times === 0 || event.when === 'every')
        nextUs = Math.min(nextUs, event.when === 'every' ? (times + 1) * mark : firstUs)
      if (typeof action === 'string') {
        // Late by several: it happens once.
        if (times > this.#happened[i]) happens(action)
        this.#happened[i] = times
        continue
      }
      if (times === 0) continue
      const endUs = (event.when === 'every' ? times * mark : firstUs) + forUs
      if (sinceUs >= endUs) continue
      active.push(action)
      nextUs = Math.min(nextUs, endUs)
    }
    this.nextUs = nextUs
    const changed = active.length !== this.#active.length || active.some((overlay, i) => overlay !== this.#active[i])
    this.#active = active
    return changed
  }

  /** Something is to come that does not wait for a frame. */
  get happensByItself(): boolean {
    return this.#events.some(
      ({ action, when }, i) => typeof action === 'string' && (when === 'every' || this.#happened[i] === 0),
    )
  }
}
