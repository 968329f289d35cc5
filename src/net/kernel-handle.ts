import nodeNet from 'node:net'
import type { ErrorCode, TcpInfo } from '../stack/index.ts'
import { setImmediate } from './at-start.ts'
import { Appetite, type HandleUser, kData, kEnd, kFailed, type SocketName } from './handle.ts'
import { owned } from './text.ts'

// What is no TCP of ours (pipes, Unix domain sockets, file descriptors and handles that were opened elsewhere) goes through a socket
// of Node's own, which a handle like that of our connections stands for: sockets of `net` have one face, whatever carries them.

/** What connects: the options of `connect`, which Node's own socket understands. */
export type KernelTarget = Parameters<nodeNet.Socket['connect']>[0]

const connectEvents = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout'] as const

/** Wraps a socket of Node's own; made for one that connects, or around one that a server of Node's own accepted. */
export class KernelHandle {
  user: HandleUser | null
  reading = false
  readonly socket: nodeNet.Socket
  /** There is no connection of ours below. */
  readonly endpoint = null
  #ended = false
  #closed = false
  #error: Error | null = null

  constructor(user: HandleUser | null, socket?: nodeNet.Socket) {
    this.user = user
    // Half-open, for it is the outer socket that decides what follows an end.
    this.socket = socket ?? new nodeNet.Socket({ allowHalfOpen: true })
    this.socket.on('data', (piece: Buffer) => this.#arrived(piece))
    this.socket.on('end', () => {
      this.#ended = true
      this.user?.[kEnd]()
    })
    this.socket.on('error', (error) => {
      this.#error = error
      // Before it is connected `connect` tells.
      if (!this.#connects) this.user?.[kFailed](error)
    })
    this.socket.on('close', () => {
      this.#closed = true
    })
    this.socket.pause()
  }

  #connects = false

  /** Throws what Node's own `connect` throws. What it emits meanwhile goes to `emit`; `done` gets null or the error. */
  connect(target: KernelTarget, emit: (...event: unknown[]) => void, done: (error: Error | null) => void): void {
    const { socket } = this
    this.#connects = true
    for (const event of connectEvents)
      socket.on(event, (...args: unknown[]) => this.user !== null && emit(event, ...args))
    const settled = (): void => {
      this.#connects = false
      if (this.user !== null) done(this.#error)
    }
    socket.once('connect', settled)
    socket.once('error', () => this.#connects && settled())
    socket.connect(target)
  }

  #arrived(piece: Buffer): void {
    if (this.user === null) return
    const appetite = this.user[kData](piece)
    if (appetite === Appetite.Enough) this.readStop()
    else if (appetite === Appetite.Later && this.reading) {
      this.socket.pause()
      setImmediate(() => this.reading && this.socket.resume())
    }
  }

  readStart(): void {
    if (this.reading) return
    this.reading = true
    this.socket.resume()
  }

  readStop(): void {
    this.reading = false
    this.socket.pause()
  }

  unread(rest: Buffer): void {
    this.readStop()
    if (!this.#ended) this.socket.unshift(rest)
  }

  write(chunks: readonly Buffer[], done: (failure: ErrorCode | Error | null) => void): boolean {
    const { socket } = this
    const last = chunks.length - 1
    socket.cork()
    owned(chunks).forEach((chunk, i) => {
      socket.write(chunk, i === last ? (error) => done(error ?? null) : undefined)
    })
    socket.uncork()
    return false
  }

  /** Nothing leaves before the connection stands. */
  writeEarly(): void {}

  get writeQueueSize(): number {
    return this.socket.writableLength
  }

  get bytesRead(): number {
    return this.socket.bytesRead
  }

  get bytesWritten(): number {
    return this.socket.bytesWritten
  }

  shutdown(done: () => void): boolean {
    if (this.socket.destroyed) return false
    this.socket.end(done)
    return true
  }

  close(done?: () => void): void {
    this.#release(done, () => this.socket.destroy())
  }

  /** Throws `ERR_INVALID_HANDLE_TYPE` where Node does: only TCP can be reset. */
  reset(done?: () => void): void {
    this.#release(done, () => this.socket.resetAndDestroy())
  }

  #release(done: (() => void) | undefined, destroy: () => void): void {
    this.user = null
    this.reading = false
    if (done !== undefined) {
      // One that failed by itself may have closed already.
      if (this.#closed) setImmediate(done)
      else this.socket.once('close', done)
    }
    destroy()
  }

  /** Whether `resetAndDestroy` is for it. */
  get isPipe(): boolean {
    return (this.socket as { _handle?: object | null })._handle?.constructor.name === 'Pipe'
  }

  ref(): void {
    this.socket.ref()
  }

  unref(): void {
    this.socket.unref()
  }

  setNoDelay(on: boolean): void {
    this.socket.setNoDelay(on)
  }

  setKeepAlive(on: boolean, timeMs?: number, intervalMs?: number, count?: number): void {
    ;(this.socket.setKeepAlive as (...args: unknown[]) => unknown)(on, timeMs, intervalMs, count)
  }

  localName(): SocketName | null {
    const name = this.socket.address()
    return 'address' in name ? (name as SocketName) : null
  }

  remoteName(): SocketName | null {
    const { remoteAddress: address, remotePort, remoteFamily } = this.socket
    return address === undefined ? null : ({ address, family: remoteFamily, port: remotePort } as SocketName)
  }

  info(): TcpInfo | undefined {
    return undefined
  }
}
