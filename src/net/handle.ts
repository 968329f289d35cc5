import { AsyncResource } from 'node:async_hooks'
import type { CloseReason, ConnectRequest, Endpoint, EndpointOwner, ErrorCode, Stack, TcpInfo } from '../stack/index.ts'
import { setImmediate } from './at-start.ts'
import type { Reservation } from './bound-socket.ts'
import { whenClosed } from './closing.ts'
import { closeCode, connectCode } from './errors.ts'
import { callBack, enterPoll, isPolling, leavePoll, runTicks } from './poll.ts'
import { owned } from './text.ts'

// The dozen calls that all of `net` stands on, made on an endpoint of a stack. A handle is one connection or one attempt at
// it; a socket that connects again gets a new one. It alone is known to the stack, so that a closed socket can be collected
// while the stack still cares for what it left behind.
//
// It also gives its socket what sockets have from libuv and the event loop:
// - each callback runs in the asynchronous context of the `connect` or `listen`, or of the write, that it answers, not in that of
//   whoever woke the stack;
// - a handle holds the event loop open while it connects, writes or reads, and not when it merely exists;
// - an error of the connection is noticed by who reads or writes, and by nobody else.

/** What a socket answers to a piece of data. */
export const Appetite = {
  /** Go on. */
  More: 0,
  /** Nobody hears it at once: go on when what waits for ticks and promises has run. */
  Later: 1,
  /** No more until `readStart`. */
  Enough: 2,
} as const
export type Appetite = (typeof Appetite)[keyof typeof Appetite]

/** What a handle tells its socket. Symbols, for the names on a socket belong to `net` and to its users. */
export const kData = Symbol('data')
export const kEnd = Symbol('end')
export const kFailed = Symbol('failed')

export interface HandleUser {
  /** The next piece of the stream. */
  [kData](piece: Buffer): Appetite
  /** The peer has finished, and all that it sent was given out. */
  [kEnd](): void
  /** The connection is lost. */
  [kFailed](failure: ErrorCode | Error): void
}

/** Chunks that a socket gave away and the endpoint has not wholly taken. */
interface PendingWrite {
  chunks: readonly Buffer[]
  /** The next chunk to give, and how much of it was taken. */
  index: number
  offset: number
  /** Bytes not taken yet. */
  left: number
  done: (code: ErrorCode | null) => void
}

export type Family = 'IPv4' | 'IPv6'

export interface SocketName {
  address: string
  family: Family
  port: number
}

/** linux: a socket of IPv6 sees the IPv4 addresses that reach it as `::ffff:a.b.c.d`. */
export function socketName(address: string, port: number, family: Family, mapped: boolean): SocketName {
  return mapped ? { address: `::ffff:${address}`, family: 'IPv6', port } : { address, family, port }
}

export class Handle extends AsyncResource implements EndpointOwner {
  /** Who hears of what happens; null once closed. */
  user: HandleUser | null
  /** The socket wants data. */
  reading = false

  // −0 has the form that V8 gives to numbers of any size: else all that counts here would be compiled anew at 2 GiB.
  #bytesRead = -0
  #bytesWritten = -0
  #endpoint: Endpoint | null = null
  #connectDone: ((code: ErrorCode | null) => void) | null = null
  #established = false
  /** A second `connect` was told that the connection stands. */
  #told = false
  #pending: PendingWrite | null = null
  /** Fast Open: what waits for the connection, and how much of it the endpoint was given ahead of time. */
  #fastOpen = false
  #waiting: (() => readonly Buffer[]) | null = null
  #early = 0
  /** The application's wish, by `ref` and `unref`. */
  #wanted = true
  /** The port to connect from, taken before. */
  #reserved: Reservation | null = null
  /** It speaks of IPv6 addresses, and IPv4 carries them. */
  #mapped = false

  /** Taken from the endpoint, not from here: the first is the next to go out. */
  #leftOver: Buffer[] | null = null
  #dataWaits = false
  #finSeen = false
  #endGiven = false
  #closedFor: CloseReason | null = null
  /** Being told by itself, in an immediate that stands for a poll. */
  #isAlone = false
  /** A shutdown that is to be answered in this turn. */
  #shutdownDone: (() => void) | null = null

  /** Connected or accepted in this very turn: what came along is another event, behind the immediates of that. */
  #fresh = false
  #stack: Stack | null = null
  #deliveryDue = false

  constructor(user: HandleUser | null) {
    super('SLUICESOCKET', { requireManualDestroy: true })
    this.user = user
  }

  /** Begins to connect; `done` gets null, or the code of what went wrong. A code returned at once comes without `done`. */
  connect(stack: Stack, request: ConnectRequest, done: (code: ErrorCode | null) => void): ErrorCode | null {
    if (this.#endpoint !== null) return this.#connectAgain(done)
    this.#stack = stack
    if (this.#reserved !== null) this.#connectFrom(this.#reserved, request)
    const endpoint = stack.connect(request, this)
    if (typeof endpoint === 'string') return endpoint
    this.#endpoint = endpoint
    this.#mapped = endpoint.family === 'IPv4' && request.address.includes(':')
    this.#connectDone = done
    this.#fastOpen = request.fastOpen === true
    if (this.#waiting !== null) this.writeEarly(this.#waiting)
    this.#updateHold()
    return null
  }

  /** linux: a connection is one, but the first `connect` after it came about succeeds: it tells of it who polls. */
  #connectAgain(done: (code: ErrorCode | null) => void): ErrorCode | null {
    if (this.#connectDone !== null) return 'EALREADY'
    if (this.#told) return 'EISCONN'
    this.#told = true
    this.#connectDone = done
    setImmediate(() => this.connected())
    return null
  }

  /** Connects from here; lets go of it if it never does. */
  reserve(reservation: Reservation): void {
    this.#reserved = reservation
  }

  get reservation(): Reservation | null {
    return this.#reserved
  }

  #connectFrom({ listener }: Reservation, request: ConnectRequest): void {
    const { address, port } = listener
    this.#reserved = null
    listener.close()
    request.localPort = port
    if (address !== '0.0.0.0' && address !== '::') request.localAddress = address
  }

  /** Takes over a connection that came to a listener of this family. */
  accept(endpoint: Endpoint, family: Family, stack: Stack): void {
    this.#stack = stack
    this.#endpoint = endpoint
    // At once, for a 'connection' listener may throw: its connection lives on.
    endpoint.owner = this
    this.#mapped = endpoint.family !== family
    this.#established = true
    this.#told = true
    this.#markFresh()
    this.#updateHold()
  }

  // What the socket asks for. ----------------------------------------------------------------------------------------

  get bytesRead(): number {
    return this.#bytesRead + 0
  }

  /** Counts what was given to `write`, whether taken by the endpoint or not, as libuv does. */
  get bytesWritten(): number {
    return this.#bytesWritten + 0
  }

  readStart(): void {
    if (this.reading) return
    this.reading = true
    this.#updateHold()
    // Data never comes from inside this call: streams take a push in `_read` for a slower path than one outside.
    if (this.#dataWaits || this.#finSeen || this.#closedFor !== null) this.#deliverLater()
  }

  readStop(): void {
    if (!this.reading) return
    this.reading = false
    this.#updateHold()
  }

  /** Gives back what was not consumed of the piece that `kData` is called with. */
  unread(rest: Buffer): void {
    this.#leftOver ??= []
    this.#leftOver.unshift(rest)
    this.#dataWaits = true
    this.#bytesRead -= rest.length
  }

  /**
   * Writes in order. True: all was taken. False: `done` is called when it was, or when it never will be. A code: refused. The
   * chunks are shared, read-only, until then, or until return where they are text (see `owned`); the endpoint copies them.
   */
  write(chunks: readonly Buffer[], done: (code: ErrorCode | null) => void): boolean | ErrorCode {
    let length = 0
    for (const chunk of chunks) length += chunk.length
    this.#bytesWritten += length
    if (this.#closedFor !== null) return this.#writeCode()
    const write: PendingWrite = { chunks, index: 0, offset: 0, left: length, done }
    if (this.#advance(write)) return true
    write.chunks = owned(chunks)
    // `AsyncResource.bind` makes properties that nobody reads here, and costs several times as much.
    const context = new AsyncResource('SLUICEWRITE')
    write.done = (code) => context.runInAsyncScope(done, undefined, code)
    this.#pending = write
    this.#updateHold()
    return false
  }

  /** The first write waits for the connection: with Fast Open it may leave with the SYN. `write` is called with the same once there is one. */
  writeEarly(chunks: () => readonly Buffer[]): void {
    const endpoint = this.#endpoint
    this.#waiting = chunks
    if (endpoint === null || !this.#fastOpen || this.#early > 0) return
    for (const chunk of chunks()) {
      const taken = endpoint.write(chunk)
      this.#early += taken
      if (taken < chunk.length) break
    }
  }

  /** Bytes given to `write` that the endpoint has not taken. */
  get writeQueueSize(): number {
    return this.#pending === null ? 0 : this.#pending.left
  }

  /** Sends FIN after what was written. False: there is no connection to end. */
  shutdown(done: () => void): boolean {
    if (this.#endpoint === null || this.#closedFor !== null) return false
    this.#endpoint.end()
    if (!this.#isPoll) setImmediate(done)
    else {
      const context = new AsyncResource('SLUICESHUTDOWN')
      this.#shutdownDone = () => callBack(() => context.runInAsyncScope(done))
      const complete = (): void => this.#completeShutdown()
      if (this.#isAlone) setImmediate(complete)
      else (this.#stack as Stack).afterTurn(complete)
    }
    return true
  }

  /** Lets go: what was taken is still delivered. `done` comes in another turn, nothing else after this call. */
  close(done?: () => void): void {
    this.#release(false, done)
  }

  /** Lets go with a reset. */
  reset(done?: () => void): void {
    this.#release(true, done)
  }

  ref(): void {
    this.#wanted = true
    this.#updateHold()
  }

  unref(): void {
    this.#wanted = false
    this.#updateHold()
  }

  setNoDelay(on: boolean): void {
    this.#endpoint?.setNoDelay(on)
  }

  setKeepAlive(on: boolean, timeMs?: number, intervalMs?: number, count?: number): void {
    this.#endpoint?.setKeepAlive(on, timeMs, intervalMs, count)
  }

  /** The connection, for what only TCP knows; null before it was begun and after it was let go of. */
  get endpoint(): Endpoint | null {
    return this.#endpoint
  }

  localName(): SocketName | null {
    const endpoint = this.#endpoint
    const bound = this.#reserved?.listener
    if (bound !== undefined) return { address: bound.address, family: bound.family, port: bound.port }
    if (endpoint === null) return null
    return socketName(endpoint.localAddress, endpoint.localPort, endpoint.family, this.#mapped)
  }

  remoteName(): SocketName | null {
    const endpoint = this.#endpoint
    if (endpoint === null || !this.#established) return null
    return socketName(endpoint.remoteAddress, endpoint.remotePort, endpoint.family, this.#mapped)
  }

  info(): TcpInfo | undefined {
    return this.#endpoint?.info()
  }

  // What the stack tells. --------------------------------------------------------------------------------------------

  connected(): void {
    const done = this.#connectDone
    if (done === null) return
    this.#connectDone = null
    this.#established = true
    this.#markFresh()
    this.#updateHold()
    this.#tell(done, null)
  }

  readable(): void {
    this.#dataWaits = true
    if (this.reading) this.#deliver()
  }

  peerFinished(): void {
    this.#finSeen = true
    if (this.reading) this.#deliver()
  }

  writable(): void {
    const write = this.#pending
    if (write === null || !this.#advance(write)) return
    this.#pending = null
    this.#updateHold()
    this.#tell(write.done, null)
  }

  closed(reason: CloseReason): void {
    this.#closedFor = reason
    const done = this.#connectDone
    if (done !== null) {
      this.#connectDone = null
      this.#tell(done, connectCode(reason))
    } else if (this.reading || this.#pending !== null) {
      this.#deliver()
    }
  }

  // ------------------------------------------------------------------------------------------------------------------

  #markFresh(): void {
    this.#fresh = true
    setImmediate(agesOut, this)
  }

  get #isPoll(): boolean {
    return this.#stack !== null && isPolling(this.#stack, this.#isAlone)
  }

  /** Calls back as the event loop would, in our own context. */
  #tell<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void {
    enterPoll()
    try {
      this.runInAsyncScope(callback, this, ...args)
      if (this.#isPoll) runTicks()
      if (this.#endGiven) this.#completeShutdown()
    } finally {
      leavePoll()
    }
  }

  /**
   * libuv's shutdowns are done when it has polled, before any immediate, so a socket that ends at the peer's FIN is destroyed before
   * most of what arrives after it. A turn has more in it than a poll: nothing else of the turn comes between.
   */
  #completeShutdown(): void {
    const run = this.#shutdownDone
    this.#shutdownDone = null
    run?.()
  }

  /** @internal */
  ageOut(): void {
    this.#fresh = false
  }

  #deliver(): void {
    if (this.#deliveryDue) return
    if (this.#fresh) {
      // What acknowledges it may ride on what is said to it: two datagrams are spared where a client asks, or ends, as soon as it is connected.
      if (this.#endpoint !== null && this.#stack?.setup.clock === undefined) this.#endpoint.postponed = true
      this.#deliverLater()
    } else this.#tell(this.#pump)
  }

  #deliverLater(): void {
    if (this.#deliveryDue) return
    this.#deliveryDue = true
    setImmediate(deliversNow, this)
  }

  /** @internal */
  deliverNow(): void {
    this.#deliveryDue = false
    if (this.#endpoint !== null) this.#endpoint.postponed = false
    if (this.user === null) return
    this.#isAlone = true
    try {
      this.#tell(this.#pump)
    } finally {
      this.#isAlone = false
    }
  }

  /** Gives out data, then the end or the error behind it. Any call of the user's may stop the reading or close the handle. */
  #pump(): void {
    while (this.reading && !this.#endGiven) {
      const piece = this.#nextPiece()
      if (piece === null) {
        this.#dataWaits = false
        if (this.#giveEnd()) return
        break
      }
      this.#bytesRead += piece.length
      const appetite = this.#give(piece)
      if (this.user === null) return
      if (appetite === Appetite.Enough) this.readStop()
      else if (appetite === Appetite.Later && this.reading) {
        // As between two reads of libuv's.
        if (this.#isPoll) runTicks()
        else {
          this.#deliverLater()
          return
        }
        if (this.user === null) return
      }
    }
    // linux: who does not read learns of a reset by writing.
    if (this.#closedFor !== null && this.#pending !== null) {
      const { done } = this.#pending
      this.#pending = null
      done(this.#writeCode())
    }
  }

  #give(piece: Buffer): Appetite {
    let taken = false
    try {
      const appetite = (this.user as HandleUser)[kData](piece)
      taken = true
      return appetite
    } finally {
      // A listener threw: what comes after this piece does so in another turn.
      if (!taken && this.user !== null) this.#deliverLater()
    }
  }

  /** All data was given out. True: the end or an error was told; nothing more is to be done. */
  #giveEnd(): boolean {
    const reason = this.#closedFor
    const code = reason === null ? null : closeCode(reason)
    if (this.#finSeen || (reason !== null && code === null)) {
      this.#endGiven = true
      this.#updateHold()
      ;(this.user as HandleUser)[kEnd]()
      return this.user === null
    }
    if (code === null) return false
    ;(this.user as HandleUser)[kFailed](code)
    return true
  }

  #nextPiece(): Buffer | null {
    return this.#leftOver?.shift() ?? (this.#endpoint as Endpoint).read()
  }

  /** Gives the endpoint what it will take. True: all. */
  #advance(write: PendingWrite): boolean {
    const endpoint = this.#endpoint as Endpoint
    const { chunks } = write
    while (write.index < chunks.length) {
      const chunk = chunks[write.index]
      const rest = write.offset === 0 ? chunk : chunk.subarray(write.offset)
      const early = Math.min(this.#early, rest.length)
      this.#early -= early
      const taken = early < rest.length ? early + endpoint.write(early === 0 ? rest : rest.subarray(early)) : early
      write.left -= taken
      if (taken < rest.length) {
        write.offset += taken
        return false
      }
      write.index++
      write.offset = 0
    }
    return true
  }

  /** The code of a write on a connection that is gone. */
  #writeCode(): ErrorCode {
    // linux: a reset that follows the peer's FIN is EPIPE to who writes.
    if (this.#finSeen) return 'EPIPE'
    return closeCode(this.#closedFor as CloseReason) ?? 'EPIPE'
  }

  /**
   * Holds the event loop open as libuv's handles do: what was begun (a connect, a write) holds it whatever the application
   * wishes, reading holds it unless it was unref'd, and a connection that nobody waits for does not.
   */
  #updateHold(): void {
    const endpoint = this.#endpoint
    if (endpoint === null) return
    const busy = this.#connectDone !== null || this.#pending !== null
    const hold = busy || this.#wanted
    if (hold !== endpoint.hasRef()) {
      if (hold) endpoint.ref()
      else endpoint.unref()
    }
    endpoint.setWaiting(busy || (this.reading && !this.#endGiven))
  }

  #release(abort: boolean, done: (() => void) | undefined): void {
    const endpoint = this.#endpoint
    const cancelled = this.#pending
    this.#reserved?.listener.close()
    this.#reserved = null
    this.user = null
    this.reading = false
    this.#endpoint = null
    this.#connectDone = null
    this.#pending = null
    this.#leftOver = null
    if (endpoint !== null) endpoint.postponed = false
    if (endpoint !== null && this.#closedFor === null) {
      // A write may have held it against the application's wish, which decides whether what is yet to be delivered holds the process.
      if (!this.#wanted && endpoint.hasRef()) endpoint.unref()
      if (abort) endpoint.abort()
      else endpoint.close()
    }
    whenClosed(() => {
      if (cancelled !== null) cancelled.done('ECANCELED')
      if (done !== undefined) this.runInAsyncScope(done)
      this.emitDestroy()
    })
  }
}

function agesOut(handle: Handle): void {
  handle.ageOut()
}

function deliversNow(handle: Handle): void {
  handle.deliverNow()
}
