import type { Socket } from 'node:net'
import { attribute, type Toxic } from './toxics.ts'

/** Bytes that may wait before the sender is held up. */
const MOST_WAITING = 1 << 20

interface Piece {
  readonly data: Buffer | null
  readonly atMs: number
}

/** What one direction of a connection asks of the whole. */
export interface StreamHost {
  random(): number
  /** The direction is to be cut off: both ends are closed. */
  cut(): void
  count(bytes: number): void
}

/**
 * One direction of a relayed connection, with the toxics of streams: what comes is given a time at which it goes on, after that of
 * all before it. `null` among the pieces is the end.
 */
export class ToxicStream {
  toxics: readonly Toxic[] = []
  readonly #from: Socket
  readonly #to: Socket
  readonly #host: StreamHost
  #pieces: Piece[] = []
  #waiting = 0
  #lastMs = 0
  /** When each `bandwidth` has sent what it has. */
  readonly #busyMs = new WeakMap<Toxic, number>()
  readonly #passed = new WeakMap<Toxic, number>()
  #timer: NodeJS.Timeout | null = null
  #blocked = false

  constructor(from: Socket, to: Socket, host: StreamHost) {
    this.#from = from
    this.#to = to
    this.#host = host
    from.on('data', (data: Buffer) => this.#data(data))
    from.once('end', () => this.#end())
    to.on('drain', () => {
      this.#blocked = false
      this.#write()
    })
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#pieces = []
  }

  /** Nothing goes on, the end neither: the clock of the connection closes it. */
  get #hangs(): boolean {
    return this.toxics.some(({ type }) => type === 'timeout' || type === 'reset_peer')
  }

  #data(data: Buffer): void {
    // What is read and not sent on is gone, as with toxiproxy.
    if (this.#hangs) return
    let pieces: Piece[] = [{ data, atMs: performance.now() }]
    for (const toxic of this.toxics) pieces = this.#through(toxic, pieces)
    for (const { data, atMs } of pieces) this.#queue(data, atMs)
    this.#write()
  }

  #through(toxic: Toxic, pieces: Piece[]): Piece[] {
    switch (toxic.type) {
      case 'latency': {
        const [latency, jitter] = [attribute(toxic, 'latency'), attribute(toxic, 'jitter')]
        const delay = Math.max(0, latency + jitter * (2 * this.#host.random() - 1))
        return pieces.map(({ data, atMs }) => ({ data, atMs: atMs + delay }))
      }
      case 'bandwidth': {
        const rate = attribute(toxic, 'rate')
        return pieces.flatMap((piece) => this.#paced(toxic, piece, rate))
      }
      case 'slicer':
        return pieces.flatMap((piece) => this.#sliced(toxic, piece))
      case 'limit_data':
        return pieces.flatMap((piece) => this.#limited(toxic, piece))
      default:
        return pieces
    }
  }

  /** Kilobytes a second; in pieces of a tenth of a second, so that it is a stream and no hiccup. 0 lets nothing through. */
  #paced(toxic: Toxic, { data, atMs }: Piece, rate: number): Piece[] {
    if (data === null) return [{ data, atMs }]
    const size = Math.max(1, Math.floor(rate * 100))
    const paced: Piece[] = []
    for (let at = 0; at < data.length; at += rate === 0 ? data.length : size) {
      const part = rate === 0 ? data : data.subarray(at, at + size)
      const sentMs = Math.max(this.#busyMs.get(toxic) ?? 0, atMs) + (rate === 0 ? Infinity : part.length / rate)
      this.#busyMs.set(toxic, sentMs)
      paced.push({ data: part, atMs: sentMs })
    }
    return paced
  }

  #sliced(toxic: Toxic, { data, atMs }: Piece): Piece[] {
    const [average, variation] = [attribute(toxic, 'average_size'), attribute(toxic, 'size_variation')]
    if (data === null || average < 1) return [{ data, atMs }]
    const slices: Piece[] = []
    let delayMs = 0
    for (let at = 0; at < data.length; ) {
      const size = Math.max(1, Math.round(average + variation * (2 * this.#host.random() - 1)))
      slices.push({ data: data.subarray(at, at + size), atMs: atMs + delayMs })
      at += size
      delayMs += attribute(toxic, 'delay') / 1000
    }
    return slices
  }

  #limited(toxic: Toxic, { data, atMs }: Piece): Piece[] {
    if (data === null) return [{ data, atMs }]
    const passed = this.#passed.get(toxic) ?? 0
    const left = Math.max(0, attribute(toxic, 'bytes') - passed)
    this.#passed.set(toxic, passed + data.length)
    const pieces: Piece[] = left === 0 ? [] : [{ data: data.subarray(0, left), atMs }]
    if (data.length >= left && passed <= attribute(toxic, 'bytes')) pieces.push({ data: null, atMs })
    return pieces
  }

  #end(): void {
    const slow = this.toxics.filter(({ type }) => type === 'slow_close')
    const delay = slow.reduce((sum, toxic) => sum + attribute(toxic, 'delay'), 0)
    if (this.#hangs) return
    this.#queue(null, performance.now() + delay)
    this.#write()
  }

  #queue(data: Buffer | null, atMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, atMs)
    this.#pieces.push({ data, atMs: this.#lastMs })
    this.#waiting += data?.length ?? 0
    if (this.#waiting > MOST_WAITING) this.#from.pause()
  }

  /** Sends what is due. */
  #write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const now = performance.now()
    let sent = 0
    while (sent < this.#pieces.length && !this.#blocked && this.#pieces[sent].atMs <= now) {
      const { data } = this.#pieces[sent++]
      if (data === null) {
        this.#pieces = []
        this.#close()
        return
      }
      this.#waiting -= data.length
      this.#host.count(data.length)
      if (!this.#to.destroyed) this.#blocked = !this.#to.write(data)
    }
    if (sent > 0) this.#pieces = this.#pieces.slice(sent)
    if (this.#waiting <= MOST_WAITING && this.#from.isPaused()) this.#from.resume()
    const next = this.#pieces[0]
    if (next === undefined || this.#blocked || next.atMs === Infinity) return
    this.#timer = setTimeout(() => this.#write(), Math.max(1, next.atMs - now))
  }

  /** The sender's end is handed on; where it has not ended, the limit is reached: all is over. */
  #close(): void {
    if (this.#from.readableEnded) this.#to.end()
    else {
      this.#to.end()
      this.#host.cut()
    }
  }
}
