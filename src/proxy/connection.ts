import type { Socket } from 'node:net'
import { netFor } from '../net/index.ts'
import { type DirectionFields, Stack } from '../stack/index.ts'
import { type StreamHost, ToxicStream } from './stream.ts'
import { attribute, impairmentOf, type Stream, type Toxic } from './toxics.ts'

/** What a proxy gives to each of its connections. */
export interface ConnectionHost {
  /** Port of the sluice end that leads to the upstream. */
  readonly hopPort: number
  readonly toxics: readonly Toxic[]
  count(stream: Stream, bytes: number): void
  closed(connection: ProxyConnection): void
}

/**
 * A client of a proxy: the kernel's TCP to it, then toxics of streams, then a hop through a sluice host of its own, whose packets can be
 * impaired.
 */
export class ProxyConnection {
  readonly stack: Stack
  readonly #host: ConnectionHost
  readonly #client: Socket
  readonly #hop: Socket
  readonly #streams: Record<Stream, ToxicStream>
  /** Whether each toxic is for this connection. */
  readonly #chosen = new Map<Toxic, { toxicity: number; is: boolean }>()
  readonly #clocks = new Map<Toxic, NodeJS.Timeout>()
  #open = 2

  constructor(client: Socket, host: ConnectionHost, seed: number) {
    this.#host = host
    this.#client = client
    this.stack = new Stack({ seed })
    this.#random = randomFrom(seed)
    this.#applyPackets()
    this.#hop = netFor(this.stack).connect({
      port: host.hopPort,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    }) as unknown as Socket
    this.#streams = {
      upstream: new ToxicStream(client, this.#hop, this.#streamHost('upstream')),
      downstream: new ToxicStream(this.#hop, client, this.#streamHost('downstream')),
    }
    for (const [one, other] of [
      [client, this.#hop],
      [this.#hop, client],
    ]) {
      one.on('error', () => {})
      one.once('close', () => this.#oneClosed(one, other))
    }
    this.toxicsChanged()
  }

  readonly #random: () => number

  #streamHost(stream: Stream): StreamHost {
    return {
      random: this.#random,
      count: (bytes) => this.#host.count(stream, bytes),
      cut: () => this.close(),
    }
  }

  /** Ends it, what was written being sent first. */
  close(): void {
    this.#stop()
    this.#client.destroySoon()
    this.#hop.destroySoon()
  }

  /** Resets both ends. */
  reset(): void {
    this.#stop()
    for (const socket of [this.#client, this.#hop]) {
      if (socket.connecting) socket.destroy()
      else if (!socket.destroyed) socket.resetAndDestroy()
    }
  }

  /** The proxy has other toxics, or the same with other attributes. */
  toxicsChanged(): void {
    this.#applyPackets()
    for (const stream of ['upstream', 'downstream'] as const) this.#streams[stream].toxics = this.#toxicsOf(stream)
    const timed = this.#host.toxics.filter(({ type }) => type === 'timeout' || type === 'reset_peer')
    for (const [toxic, clock] of this.#clocks) {
      if (timed.includes(toxic)) continue
      clearTimeout(clock)
      this.#clocks.delete(toxic)
      // What hung is over once the toxic is gone: bytes of it are missing.
      if (toxic.type === 'timeout') this.close()
    }
    for (const toxic of timed) if (this.#isFor(toxic)) this.#startClock(toxic)
  }

  #startClock(toxic: Toxic): void {
    clearTimeout(this.#clocks.get(toxic))
    const ms = attribute(toxic, 'timeout')
    // A timeout of 0 never comes.
    const hangs = toxic.type === 'timeout' && ms === 0
    const act = (): void => (toxic.type === 'timeout' ? this.close() : this.reset())
    this.#clocks.set(toxic, setTimeout(act, hangs ? 2 ** 31 - 1 : ms))
  }

  #toxicsOf(stream: Stream): Toxic[] {
    return this.#host.toxics.filter((toxic) => toxic.stream === stream && this.#isFor(toxic))
  }

  #isFor(toxic: Toxic): boolean {
    let choice = this.#chosen.get(toxic)
    if (choice === undefined || choice.toxicity !== toxic.toxicity) {
      choice = { toxicity: toxic.toxicity, is: this.#random() < toxic.toxicity }
      this.#chosen.set(toxic, choice)
    }
    return choice.is
  }

  #applyPackets(): void {
    const out: DirectionFields = impairmentOf(this.#toxicsOf('upstream'))
    const inbound: DirectionFields = impairmentOf(this.#toxicsOf('downstream'))
    this.stack.impair = { out, in: inbound }
  }

  #oneClosed(one: Socket, other: Socket): void {
    // Whole: it has heard the other's end, and said its own.
    if (!(one.readableEnded && one.writableFinished) && !other.destroyed) {
      if (other.connecting) other.destroy()
      else if (one.errored === null) other.destroySoon()
      else other.resetAndDestroy()
    }
    if (--this.#open > 0) return
    this.#stop()
    this.#host.closed(this)
    void this.stack.close()
  }

  #stop(): void {
    for (const stream of Object.values(this.#streams)) stream.stop()
    for (const clock of this.#clocks.values()) clearTimeout(clock)
    this.#clocks.clear()
  }
}

/** mulberry32: the same choices from the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
