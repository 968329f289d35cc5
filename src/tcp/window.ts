import { type Seq, seqAdd, seqDiff, seqGt } from '../wire/index.ts'

/** The window field without scaling ends here (rfc9293#3.1). */
export const MAX_UNSCALED_WINDOW = 65_535
/** rfc7323#2.3: 2^30 is the largest window, so that old and new data never meet. */
export const MAX_WINDOW_SHIFT = 14

const unlimited = (): number => Number.POSITIVE_INFINITY

/** linux: tcp_win_from_space; with `tcp_adv_win_scale` = 1 half of the buffer is promised as window, half is left for overhead. */
export function windowOfBuffer(buffer: number, advWinScale = 1): number {
  return Math.floor(advWinScale > 0 ? buffer - buffer / 2 ** advWinScale : buffer / 2 ** -advWinScale)
}

/** linux: tcp_init_buffer_space; of the window a 2^-`tcp_app_win` part is kept for the application, 0 keeps nothing. */
export function promisedOf(window: number, appWin = 31): number {
  return appWin === 0 ? window : window - Math.floor(window / 2 ** appWin)
}

/** The shift to offer in a SYN, so that the largest buffer can be promised (linux: tcp_select_initial_window). */
export function windowShift(largestBuffer: number): number {
  let shift = 0
  while (shift < MAX_WINDOW_SHIFT && MAX_UNSCALED_WINDOW * 2 ** shift < largestBuffer) shift++
  return shift
}

/**
 * The receive window: how far the peer may send. The right edge once promised is never pulled back (rfc9293#3.8.6 SHLD-14), and moves only in
 * steps worth a segment (rfc9293#3.8.6.2.2).
 *
 *        consumed      unread        window
 *      ───────────┼────────────┼───────────────┼──▶
 *                              rcvNxt          rcvAcc
 */
export class ReceiveWindow {
  /** Right edge promised. */
  rcvAcc: Seq = 0 as Seq
  /** Shift of the windows that we send; 0 unless both sides offered scaling. */
  shift = 0
  /** How much of the buffer is window (`tcp_adv_win_scale`), and how much of that is kept back (`tcp_app_win`). */
  readonly #advWinScale: number
  readonly #appWin: number
  #rcvBuf = 0
  /** What of the buffer may be promised: asked for with every segment, so it is reckoned once. */
  #promised = 0
  /** What the UDP socket under the connection can hold for it (see `ReceiveBudget`): less as others come to share it. */
  pathLimit: () => number = unlimited
  /** Set by the application: no longer tuned. */
  locked = false

  #synWindow = 0
  /** How far the window has opened up to now, no further than a SYN can say at first (linux: rcv_ssthresh). */
  #opened = MAX_UNSCALED_WINDOW

  // Dynamic right-sizing (linux: tcp_rcv_space_adjust).
  #measureStart = 0
  /** Bytes the application had taken when the measurement began. */
  #measureTaken = 0
  /** Most that the application took within a round trip so far. */
  #space = 0
  /** Round-trip time as the receiver sees it, µs; 0 unknown. */
  rcvRtt = 0
  /** Without timestamps: when the span now measured began, −1 not yet, and where it ends. */
  #rttStart = -1
  #rttEdge: Seq = 0 as Seq

  constructor(rcvBuf: number, advWinScale = 1, appWin = 31) {
    this.#advWinScale = advWinScale
    this.#appWin = appWin
    this.rcvBuf = rcvBuf
    this.#space = windowOfBuffer(rcvBuf)
  }

  /** Buffer in the sense of SO_RCVBUF and `tcp_rmem`; the window is half of it. */
  get rcvBuf(): number {
    return this.#rcvBuf
  }

  set rcvBuf(bytes: number) {
    this.#rcvBuf = bytes
    this.#promised = promisedOf(windowOfBuffer(bytes, this.#advWinScale), this.#appWin)
  }

  /** The largest window that may be promised. */
  get capacity(): number {
    const limit = Math.min(this.#promised, this.pathLimit())
    return this.shift === 0 ? Math.min(limit, MAX_UNSCALED_WINDOW) : limit
  }

  /** The window as the peer has been told. */
  current(rcvNxt: Seq): number {
    return Math.max(0, seqDiff(this.rcvAcc, rcvNxt))
  }

  /** The window that could be promised now, with `unread` bytes waiting for the application and segments of `mss`. */
  select(rcvNxt: Seq, unread: number, mss: number): number {
    const { capacity } = this
    const current = this.current(rcvNxt)
    const free = Math.max(0, Math.min(capacity - unread, this.#opened))
    const step = Math.min(mss, Math.floor(capacity / 2))
    // rfc9293#3.8.6.2.2: the edge stays where it is until it can move by a segment or half the buffer.
    if (free - current < step) return current
    return free
  }

  /** All of the window is promised, and none would be if it could be taken back. */
  isExhausted(unread: number, mss: number): boolean {
    const { capacity } = this
    return capacity - unread < Math.min(mss, Math.floor(capacity / 2))
  }

  /** The value of the window field of a segment that leaves now; the edge that it promises is kept. */
  advertise(rcvNxt: Seq, unread: number, mss: number): number {
    const window = this.select(rcvNxt, unread, mss)
    const unit = 1 << this.shift
    let field = Math.floor(window / unit)
    // Rounding down must not pull back what was promised; rounding up gives a little more each time. Whoever sends byte by byte could so hold the
    // window open for ever, so there is an end to it: then the field shows less than was promised, which is kept (rfc7323#2.4).
    if (seqGt(this.rcvAcc, seqAdd(rcvNxt, field * unit))) {
      const up = Math.ceil(this.current(rcvNxt) / unit)
      if (unread + up * unit <= this.capacity + Math.max(unit, this.capacity >> 3)) field = up
    }
    if (field > MAX_UNSCALED_WINDOW) field = MAX_UNSCALED_WINDOW
    const edge = seqAdd(rcvNxt, field * unit)
    if (seqGt(edge, this.rcvAcc)) this.rcvAcc = edge
    return field
  }

  /** The window field of a SYN or SYN-ACK, which is never scaled (rfc7323#2.2). */
  advertiseUnscaled(rcvNxt: Seq): number {
    this.#synWindow = Math.min(this.#promised, this.pathLimit(), MAX_UNSCALED_WINDOW)
    this.rcvAcc = seqAdd(rcvNxt, this.#synWindow)
    return this.#synWindow
  }

  /** The peer's sequence numbers are known: what our SYN promised counts from here. */
  start(rcvNxt: Seq): void {
    this.rcvAcc = seqAdd(rcvNxt, this.#synWindow)
  }

  /**
   * The transfer begins. What the application takes in a round trip is measured against `space`, as much as a first flight brings: measured
   * against the whole window, it could not grow before it was full (linux: tcp_init_buffer_space).
   */
  measureAgainst(space: number, now: number): void {
    this.#space = Math.max(1, Math.min(space, this.capacity))
    this.#measureStart = now
  }

  /**
   * Data has come: the window opens by as much as two segments, `step`, so that it keeps up with a sender in slow start and promises no more
   * than what comes has shown to be of use (linux: tcp_grow_window). Returns whether it did.
   */
  open(step: number, unread: number): boolean {
    const room = this.capacity - unread - this.#opened
    if (room <= 0) return false
    this.#opened += Math.min(step, room)
    return true
  }

  /** A round-trip time seen from the receiving side: a timestamp echoed with data. */
  onRtt(rttUs: number): void {
    this.rcvRtt = this.rcvRtt === 0 ? rttUs : this.rcvRtt + (rttUs - this.rcvRtt) / 8
  }

  /**
   * Without timestamps: the time in which a window's worth came is a round trip at least, so the least of them is taken (linux:
   * tcp_rcv_rtt_measure).
   */
  onData(rcvNxt: Seq, now: number): void {
    if (this.#rttStart >= 0) {
      if (seqGt(this.#rttEdge, rcvNxt)) return
      const span = Math.max(1, now - this.#rttStart)
      if (this.rcvRtt === 0 || span < this.rcvRtt) this.rcvRtt = span
    }
    this.#rttStart = now
    this.#rttEdge = seqAdd(rcvNxt, Math.max(1, this.current(rcvNxt)))
  }

  /**
   * The application has taken `taken` bytes in all: once a round trip, twice what it took becomes the window, and what reaches `outOfOrder`
   * bytes beyond RCV.NXT comes on top.
   */
  tune(now: number, taken: number, mss: number, largestBuffer: number, outOfOrder = 0): void {
    if (this.rcvRtt === 0 || now - this.#measureStart < this.rcvRtt) return
    const copied = taken - this.#measureTaken
    if (copied > this.#space) {
      // linux: twice what was taken, for the sender doubles too, and room for what it adds meanwhile.
      let window = copied * 2 + 16 * mss
      window += Math.floor((window * (copied - this.#space)) / this.#space) * 2
      this.#grow(window + outOfOrder, largestBuffer)
      this.#space = copied
    }
    this.#measureStart = now
    this.#measureTaken = taken
  }

  /**
   * Data has come that reaches `outOfOrder` bytes beyond RCV.NXT: the application cannot take it, so it is no measure, but a hole shall not
   * stop a sender that would otherwise have had more window by now (linux: tcp_rcvbuf_grow, as tcp_data_queue_ofo calls it).
   */
  makeRoom(outOfOrder: number, largestBuffer: number): void {
    this.#grow(2 * this.#space + outOfOrder, largestBuffer)
  }

  #grow(window: number, largestBuffer: number): void {
    if (this.locked) return
    const buffer = Math.floor((window * 2 ** 20) / Math.max(1, windowOfBuffer(2 ** 20, this.#advWinScale)))
    this.rcvBuf = Math.max(this.rcvBuf, Math.min(buffer, largestBuffer))
  }
}
