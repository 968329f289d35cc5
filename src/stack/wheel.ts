/**
 * What a {@link Wheel} holds: anything with a deadline. The four `wheel…` fields belong to the wheel; start them as
 * `null, null, -1, 0`.
 */
export interface WheelItem {
  /** Microseconds; `Infinity` is none. Read anew each time the wheel looks, so it may be a getter. */
  readonly deadline: number
  wheelPrev: WheelItem | null
  wheelNext: WheelItem | null
  /** Index of the slot that it sits in, −1 outside the wheel. */
  wheelSlot: number
  /** When the wheel will look at it, microseconds; says nothing outside the wheel. */
  wheelAt: number
}

// Four levels of 256 slots. A slot of level 0 is one tick of a millisecond, one of level 1 is 256 ticks, and so on: all 32
// bits of a tick number, 49.7 days. An item goes to the level of the highest byte in which its tick differs from the current
// one. So every item of a level lies ahead of the wheel's position in it and before anything of the level above:
//
//     level 0   ····|cur ▪ ▪▪  ▪    |     the rest of these 256 ms
//     level 1   ·········|cur  ▪ ▪▪ |     the rest of these 65.5 s; a slot is dealt out anew when its first tick comes
//
// and the next one to look at is the first occupied slot of the lowest level that has any.
const BITS = 8
const SLOTS = 1 << BITS
const MASK = SLOTS - 1
const TOP = 3
const LEVELS = TOP + 1
/** Ticks of a slot, by level. */
const SPAN = [1, SLOTS, SLOTS ** 2, SLOTS ** 3]
const WORDS_PER_LEVEL = SLOTS / 32
const TICK_US = 1000
/** Later deadlines are filed here and looked at again then. */
const HORIZON_TICKS = 2 ** 31

/**
 * The deadlines of a host: a hierarchical timing wheel of one millisecond, with intrusive links, lazy in both senses. A deadline
 * that moves later is not touched until its old slot comes up, and a far one is looked at once in each level only (a keepalive
 * of two hours three times in all). No item is reported before its deadline; none later than the first `advance` one
 * millisecond after it.
 */
export class Wheel<Item extends WheelItem = WheelItem> {
  readonly #heads: (Item | null)[] = new Array<Item | null>(LEVELS * SLOTS).fill(null)
  /** One bit per slot: occupied. */
  readonly #occupied = new Int32Array(LEVELS * WORDS_PER_LEVEL)
  /** The tick that has been dealt with; all items lie after it. Not limited to 32 bits, unlike what is made of it below. */
  #tick: number
  #size = 0

  constructor(nowUs = 0) {
    this.#tick = Math.floor(nowUs / TICK_US)
  }

  /** Items inside, those included whose deadline has meanwhile become `Infinity`. */
  get size(): number {
    return this.#size
  }

  /**
   * To be called whenever `item.deadline` may have become earlier than it was; for one that became later, or `Infinity`,
   * it need not be, and costs nothing.
   */
  schedule(item: Item): void {
    const deadline = item.deadline
    if (!(deadline < Infinity)) return
    if (item.wheelSlot >= 0) {
      // It will be looked at in time where it sits.
      if (deadline > item.wheelAt - TICK_US) return
      this.remove(item)
    }
    // The current tick is dealt with, or is being dealt with: what is already due goes to the next.
    this.#file(item, Math.max(Math.ceil(deadline / TICK_US), this.#tick + 1))
  }

  /** Takes it out; an item that is not inside is left alone. */
  remove(item: Item): void {
    const slot = item.wheelSlot
    if (slot < 0) return
    const { wheelPrev: prev, wheelNext: next } = item
    if (next !== null) next.wheelPrev = prev
    if (prev !== null) prev.wheelNext = next
    else {
      this.#heads[slot] = next as Item | null
      if (next === null) this.#occupied[slot >> 5] &= ~(1 << (slot & 31))
    }
    item.wheelPrev = null
    item.wheelNext = null
    item.wheelSlot = -1
    this.#size--
  }

  /**
   * Reports every item whose deadline has come, in order of their milliseconds, each taken out first. `onDue` may schedule and
   * remove any item, the reported one included.
   */
  advance(nowUs: number, onDue: (item: Item) => void): void {
    const end = Math.floor(nowUs / TICK_US)
    for (let next = this.#nextTick(); next <= end; next = this.#nextTick()) {
      this.#tick = next
      if ((next & MASK) === 0) {
        // A slot of a higher level begins. One only: a slot 0 below it is empty, for what begins with that is filed above.
        let level = 1
        while (level < TOP && (next & (SPAN[level + 1] - 1)) === 0) level++
        this.#dealOut(level * SLOTS + ((next >>> (BITS * level)) & MASK))
      }
      this.#fire(next & MASK, onDue)
    }
    if (end > this.#tick) this.#tick = end
  }

  /**
   * When to call `advance` next; `Infinity` when nothing is inside. It is the first millisecond at or after the earliest
   * deadline, or earlier: where a deadline has moved later since it was filed, or a slot of a higher level is to be dealt out.
   */
  nextWakeUs(): number {
    return this.#nextTick() * TICK_US
  }

  /** Links `item` into the slot for `tick`, which is not before the current one. */
  #file(item: Item, tick: number): void {
    const current = this.#tick
    const at = tick - current > HORIZON_TICKS ? current + HORIZON_TICKS : tick
    // Both numbers modulo 2^32, as the bitwise operators take them.
    const differing = at ^ current
    const level =
      differing >>> BITS === 0 ? 0 : differing >>> (2 * BITS) === 0 ? 1 : differing >>> (3 * BITS) === 0 ? 2 : TOP
    const shift = BITS * level
    const slot = level * SLOTS + ((at >>> shift) & MASK)
    const head = this.#heads[slot]
    item.wheelPrev = null
    item.wheelNext = head
    item.wheelSlot = slot
    item.wheelAt = (at - (at & ((1 << shift) - 1))) * TICK_US
    if (head !== null) head.wheelPrev = item
    else this.#occupied[slot >> 5] |= 1 << (slot & 31)
    this.#heads[slot] = item
    this.#size++
  }

  /** Files the items of a slot of a higher level anew, by what their deadlines are now. */
  #dealOut(slot: number): void {
    for (let item = this.#heads[slot]; item !== null; item = this.#heads[slot]) {
      this.remove(item)
      const deadline = item.deadline
      if (deadline < Infinity) this.#file(item, Math.max(Math.ceil(deadline / TICK_US), this.#tick))
    }
  }

  #fire(slot: number, onDue: (item: Item) => void): void {
    // Nothing can join this slot meanwhile: the current tick is never filed for from outside, and the same slot stands for
    // another tick only after 256 more.
    for (let item = this.#heads[slot]; item !== null; item = this.#heads[slot]) {
      this.remove(item)
      if (item.deadline <= this.#tick * TICK_US) onDue(item)
      else this.schedule(item)
    }
  }

  /** The next tick at which a slot is to be looked at. */
  #nextTick(): number {
    if (this.#size === 0) return Infinity
    const current = this.#tick
    for (let level = 0; level < TOP; level++) {
      const position = (current >>> (BITS * level)) & MASK
      // The current tick's own slot is empty, unless an `onDue` threw half way through it: then it comes next again.
      const slot = this.#firstOccupied(level, level === 0 ? position : position + 1)
      if (slot >= 0) return (Math.floor(current / SPAN[level]) + slot - position) * SPAN[level]
    }
    // The top level is a ring, for the numbers of ticks go on beyond 32 bits.
    const span = SPAN[TOP]
    const position = (current >>> (BITS * TOP)) & MASK
    let slot = this.#firstOccupied(TOP, position + 1)
    if (slot < 0) slot = this.#firstOccupied(TOP, 0) + SLOTS
    return (Math.floor(current / span) + slot - position) * span
  }

  /** The first occupied slot of `level` at or after `from`; −1 if there is none. */
  #firstOccupied(level: number, from: number): number {
    if (from >= SLOTS) return -1
    const base = level * WORDS_PER_LEVEL
    let index = from >> 5
    let word = this.#occupied[base + index] & (-1 << (from & 31))
    while (word === 0) {
      if (++index === WORDS_PER_LEVEL) return -1
      word = this.#occupied[base + index]
    }
    return index * 32 + (31 - Math.clz32(word & -word))
  }
}
