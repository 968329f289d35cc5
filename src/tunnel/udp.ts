import type dgram from 'node:dgram'
import timers from 'node:timers'
import { debuglog } from 'node:util'
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised'
import type { Family } from './addresses.ts'
import type { Batch } from './batch.ts'
import { SocketBudget } from './budget.ts'
import type { ErrorCode } from './datagrams.ts'
import { descriptorOf } from './descriptor.ts'
import type { NativeSockets } from './native.ts'
import type { NativeIo } from './native-io.ts'
import type { UdpPath } from './path.ts'
import { PathTable } from './path-table.ts'
import { sharedOpener } from './shared-port.ts'
import { LARGEST_READ, slabWithRoom } from './slab.ts'

// Captured at load: fake timers of a test runner must not stop a socket.
const { setImmediate } = timers

export type DgramModule = typeof dgram

const log = debuglog('sluice')

/** What systems begin with, or near it: then it is left to them. */
const USUAL_TTL = 64
/** Bytes of socket buffer to ask for, at least. The kernel grants what its limits allow. */
const WANTED_BUFFER = 4 << 20
/** linux: twice what is asked for is granted, half of `tcp_rmem` is window, and what came in 1,500-byte datagrams takes 2.2 times its bytes. */
const SHARE_OF_RMEM = 0.6
const LEAST_BUFFER = 128 << 10

/** Who owns a socket: told of what it reads, and of what it could not send. */
export interface UdpSocketUser {
  /** `message` is private to this datagram. */
  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void
  /** A pending error was read: the answer to some earlier datagram. */
  receiveFailed(socket: UdpSocket, code: ErrorCode): void
  /** Datagrams `[first, last)` of the batch, which went in one call, were not sent. Borrowed until return. */
  sendFailed(socket: UdpSocket, batch: Batch, first: number, last: number, code: ErrorCode): void
  /** Nobody needs the batch any more. */
  batchDone(socket: UdpSocket, batch: Batch): void
  /** Of the bytes handed over none waits any more. */
  drained(socket: UdpSocket): void
}

export interface UdpSocketOptions {
  family: Family
  address: string
  port: number
  dgram: DgramModule | undefined
  /** `SO_RCVBUF` to set; undefined: as much as can be had. */
  recvBufferSize: number | undefined
  /** The largest buffer of a connection (`tcp_rmem`), whose window this one's has to back. */
  largestBuffer: number
  /** Hops that its datagrams may take (rfc9293#3.9.2 MUST-49). */
  ttl: number
  /** Other sockets that say the same may have the same address: only for sockets that are connected at once. */
  shareAddress?: boolean
  /** SO_REUSEPORT: other processes may have the same address and port, and share its peers. */
  reusePort?: boolean
  /** Makes the descriptor, where datagrams are to be sent and read many at a time; null: dgram does. */
  native?: NativeSockets | null
  /** Makes the descriptor, where datagrams are never to be cut into fragments; null: the system decides. */
  whole?: NativeSockets | null
  /** To send by without dgram, once the socket has shown itself busy: loading what is behind it takes a moment, and some megabytes. */
  door?: () => NativeSockets | null
}

/** linux: UDP_MAX_SEGMENTS, datagrams of one send (128 since 6.9). */
const MOST_SEGMENTS = 64
/** Bytes of one send: what the length fields of IPv4 and IPv6 leave. */
const LARGEST_SEND = 65_487

/** Datagrams that a socket sends by dgram before it is worth while to send without. */
const BUSY = 1024

/** From this size on a read shows that much comes at once. */
const LONG_READ = 16_384
/** So many reads follow on one of them before the loop goes on. */
const MOST_READS = 32

/** dgram's own lookup takes a tick; this one makes `bind`, `connect` and `send` happen when they are called. */
function lookup(
  hostname: string,
  options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, hostname, typeof options === 'number' ? options : 0)
}

/**
 * A bound UDP socket. Its life belongs to dgram-as-promised, what it sends and receives goes by the raw socket. It never holds
 * the event loop open; nothing here throws.
 */
export class UdpSocket {
  readonly family: Family
  readonly localPort: number
  readonly budget: SocketBudget
  /** The bound address; after `connect` the one that the kernel chose. */
  localAddress: string
  closed = false
  connected = false
  /** Its only path, where it is connected. */
  peer: UdpPath | null = null
  /** Its paths, where it is not. */
  readonly paths = new PathTable()
  /** Has the first look at what comes; true: it is dealt with. */
  divert: ((message: Buffer, remoteAddress: string, remotePort: number) => boolean) | null = null
  /** A listener is, or was, on it: datagrams of strangers are heard. */
  hearsStrangers = false
  /** Other processes share its port. */
  reusePort = false
  /** A listener is on it now. */
  listened = false
  /** Datagrams dropped for want of room, when that was last looked at. */
  drops = 0
  /** Paths that found too much waiting. */
  blocked: UdpPath[] = []
  /** Bytes handed to `send` whose fate is not known yet. */
  waiting = 0

  readonly #promised: SocketAsPromised
  readonly #raw: dgram.Socket
  readonly #user: UdpSocketUser
  /** Through which the kernel cuts long sends into datagrams, and whose size it has been told; 0: sends leave as they are. */
  #native: NativeSockets | null
  #fd: number
  #segment = 0
  /** What sends without dgram; null: nothing, or not yet. */
  #io: NativeIo | null
  #sockaddr: NativeSockets['sockaddr']
  #door: (() => NativeSockets | null) | null
  #untilBusy = BUSY
  #mayReadOn = true
  /** Batches under way. dgram calls back in the order of the sends, so one index follows. */
  #batches: (Batch | null)[] = []
  #head = 0

  private constructor(
    promised: SocketAsPromised,
    family: Family,
    { recvBufferSize, largestBuffer }: Pick<UdpSocketOptions, 'recvBufferSize' | 'largestBuffer'>,
    user: UdpSocketUser,
    native: NativeSockets | null,
    fd: number,
    door: (() => NativeSockets | null) | null,
  ) {
    const raw = promised.socket
    this.#native = native
    this.#fd = fd
    this.#io = native?.io ?? null
    this.#sockaddr = native?.sockaddr?.bind(native)
    this.#door = this.#io === null ? door : null
    const bound = raw.address()
    this.#promised = promised
    this.#raw = raw
    this.#user = user
    this.family = family
    this.localAddress = bound.address
    this.localPort = bound.port
    const wanted = Math.max(WANTED_BUFFER, Math.ceil(largestBuffer * SHARE_OF_RMEM))
    // More than is usual was asked for by whoever set `tcp_rmem`: privilege goes beyond the system's limit.
    const force = wanted > WANTED_BUFFER && fd >= 0 ? () => native?.forceReceiveBuffer?.(fd, wanted) : ignore
    this.budget = new SocketBudget(setBuffers(raw, recvBufferSize, wanted, force))
    log(
      'UDP %s port %d: %d bytes to receive into%s',
      bound.address,
      bound.port,
      this.budget.granted,
      native === null ? '' : ', with GSO and GRO',
    )
    raw.unref()
    raw.on('message', this.#onMessage)
    raw.on('error', this.#onError)
  }

  /** Creates and binds a socket, or says by which code that failed. */
  static open(options: UdpSocketOptions, user: UdpSocketUser): UdpSocket | ErrorCode {
    let promised: SocketAsPromised
    try {
      const type = options.family === 'IPv4' ? 'udp4' : 'udp6'
      const create = {
        type,
        lookup,
        dgram: options.dgram,
        ipv6Only: type === 'udp6',
        reuseAddr: options.shareAddress,
        reusePort: options.reusePort,
      } as const
      promised = DgramAsPromised.createSocket(create)
    } catch (error) {
      return codeOf(error)
    }
    const native = options.native ?? null
    const { family, address, port, shareAddress = false, reusePort = false } = options
    // Reads may return several datagrams then: frames tell where each ends.
    const coalesce = native !== null
    // A simulated network has its own way to share.
    const sharer = reusePort && options.dgram === undefined ? sharedOpener() : null
    if (sharer === undefined) {
      promised.close().catch(ignore)
      return 'ENOTSUP'
    }
    const maker = native ?? options.whole ?? sharer
    const whole = (options.whole ?? null) !== null
    const fd = maker?.open({ family, address, port, shareAddress, reusePort, coalesce, whole }) ?? -1
    if (typeof fd === 'string') {
      promised.close().catch(ignore)
      return fd
    }
    // Before `bind`, and before the package can hide an error: its own listener keeps one to reject a later call with.
    let failure: ErrorCode | null = null
    const onError = (error: Error): void => {
      failure = codeOf(error)
    }
    promised.socket.on('error', onError)
    // With a synchronous lookup it is bound, or has failed, when the call returns; the promise only repeats that later.
    promised.bind(fd < 0 ? { port, address, exclusive: true } : { fd, exclusive: true }).catch(ignore)
    let socket: UdpSocket | null = null
    if (failure === null) {
      try {
        socket = new UdpSocket(promised, options.family, options, user, native, fd, options.door ?? null)
        if (options.ttl !== USUAL_TTL) attempt(() => promised.socket.setTTL(options.ttl))
      } catch (error) {
        // Bound in name only: the descriptor could not be had.
        failure = codeOf(error)
      }
    }
    promised.socket.off('error', onError)
    if (socket !== null) return socket
    // Where dgram did not take the descriptor it is still ours.
    if (fd >= 0 && failure !== null) maker?.close(fd)
    promised.socket.on('error', ignore)
    promised.close().catch(ignore)
    return failure ?? 'EADDRNOTAVAIL'
  }

  /** Talks to one peer only from now on. False: the kernel knows no way there from here. */
  connect(address: string, port: number): boolean {
    try {
      this.#raw.connect(port, address, ignore)
      // The error itself would come a tick too late; a socket without a peer has failed.
      this.#raw.remoteAddress()
      this.localAddress = this.#raw.address().address
      this.connected = true
    } catch {
      this.connected = false
    }
    return this.connected
  }

  /** Takes datagrams from everybody again. */
  disconnect(): void {
    try {
      this.#raw.disconnect()
      this.localAddress = this.#raw.address().address
    } catch {
      // It was not connected.
    }
    this.connected = false
  }

  /** The peer as the kernel writes it. */
  get remoteAddress(): string {
    try {
      return this.#raw.remoteAddress().address
    } catch {
      return ''
    }
  }

  /** Sends the datagrams of a batch, whose buffer is the socket's until `batchDone`. */
  send(batch: Batch, address: string, port: number): void {
    if (this.closed) {
      batch.failed = batch.count
      this.#user.batchDone(this, batch)
      return
    }
    const { buffer, count, ends, sends } = batch
    let first = this.#sendNow(batch, address, port)
    if (first === count) {
      this.#user.batchDone(this, batch)
      return
    }
    if (batch.loans.count > 0) batch.loans.settle(buffer)
    this.#batches.push(batch)
    this.waiting += batch.used - batch.startOf(first)
    try {
      while (first < count) {
        const last = this.#native === null ? first + 1 : this.#endOfSend(this.#native, batch, first)
        const start = batch.startOf(first)
        const size = ends[last - 1] - start
        if (this.connected) this.#raw.send(buffer, start, size, this.#onSent)
        else this.#raw.send(buffer, start, size, port, address, this.#onSent)
        sends[batch.calls++] = last
        first = last
      }
    } catch (error) {
      // dgram refuses to try, the first time or not at all.
      sends[batch.calls++] = count
      process.nextTick(this.#onSent, error)
    }
  }

  /**
   * As much of a batch as the system takes at once: its buffer is free when the calls return, so that the next one is written into memory that is
   * in the cache still, and dgram's way to and fro costs as much again as the call. Returns the first datagram that is left: dgram sends that, or
   * finds out why it cannot.
   */
  #sendNow(batch: Batch, address: string, port: number): number {
    if (this.#io === null) this.#note(batch.count)
    const io = this.#io
    // What dgram has yet to send goes first.
    if (io === null || this.#batches.length > 0) return 0
    const { buffer, count, ends, sends } = batch
    const to = this.connected ? null : this.#nameOf(batch.path, address, port)
    let first = 0
    while (first < count) {
      const last = this.#native === null ? first + 1 : this.#endOfSend(this.#native, batch, first)
      const failure = io.send(this.#fd, buffer, batch.startOf(first), ends[last - 1], to, batch.loans)
      if (failure !== null) {
        // It told of an earlier datagram, and is not told again.
        if (failure === 'ECONNREFUSED') process.nextTick(this.#onRefused)
        break
      }
      sends[batch.calls++] = last
      batch.done = last
      batch.sendsDone++
      first = last
    }
    return first
  }

  #nameOf(path: UdpPath | null, address: string, port: number): Buffer | null {
    if (path === null) return this.#sockaddr?.(this.family, address, port) ?? null
    path.sockaddr ??= this.#sockaddr?.(this.family, address, port) ?? null
    return path.sockaddr
  }

  /** Datagrams are sent by dgram: once they are many it is looked for what sends without. */
  #note(count: number): void {
    if (this.#door === null) return
    this.#untilBusy -= count
    if (this.#untilBusy > 0) return
    const native = this.#door()
    this.#door = null
    if (native?.io === undefined) return
    if (this.#fd < 0) this.#fd = descriptorOf(native, this.family, this.localAddress, this.localPort)
    if (this.#fd < 0) return
    this.#sockaddr = native.sockaddr?.bind(native)
    this.#io = native.io
  }

  readonly #onRefused = (): void => {
    if (!this.closed) this.#user.receiveFailed(this, 'ECONNREFUSED')
  }

  /** What it sends may be gathered from several places. */
  get gathers(): boolean {
    return this.#io?.gathers === true && this.#batches.length === 0
  }

  /** One call sends many datagrams, and one read may return many. */
  get offload(): boolean {
    return this.#native !== null
  }

  /** The kernel, or the network card's driver, cannot cut sends into datagrams after all. */
  stopOffload(): void {
    if (this.#segment !== 0) this.#native?.setSegment(this.#fd, 0)
    this.#segment = 0
    this.#native = null
  }

  /**
   * How far one call can go from datagram `first` on: through datagrams of one size, and one shorter at the end. The size holds for the
   * socket, for what waits in dgram's queue too, which leaves only later: so it changes only while that is empty. Setting it to 0 is safe at any
   * time, for frames tell where they end: what was to be cut leaves in one piece.
   */
  #endOfSend(native: NativeSockets, batch: Batch, first: number): number {
    const { count, ends, again } = batch
    const start = batch.startOf(first)
    const size = ends[first] - start
    const most = Math.min(count, first + MOST_SEGMENTS)
    let last = first + 1
    let end = ends[first]
    if (!again) {
      while (last < most && ends[last] - start <= LARGEST_SEND) {
        const next = ends[last] - end
        if (next > size) break
        end = ends[last++]
        if (next < size) break
      }
    }
    if (last > first + 1 && this.#segment !== size) {
      if (this.#raw.getSendQueueCount() === 0 && native.setSegment(this.#fd, size)) this.#segment = size
      else last = first + 1
    }
    if (last === first + 1 && this.#segment !== 0 && size > this.#segment) {
      native.setSegment(this.#fd, 0)
      this.#segment = 0
    }
    return last
  }

  /** The kernel's own count of what it could not take yet; `waiting` also counts what it took in this tick. */
  get queued(): number {
    try {
      return this.closed ? 0 : this.#raw.getSendQueueSize()
    } catch {
      return this.waiting
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.#raw.off('message', this.#onMessage)
    this.#promised.close().catch(ignore)
    this.#abandon()
  }

  readonly #onMessage = (message: Buffer, rinfo: dgram.RemoteInfo): void => {
    this.#user.datagramArrived(this, message, rinfo.address, rinfo.port)
    if (message.length < LONG_READ) return
    this.#note(1)
    // Where so much comes at once there is likely more.
    if (this.#io !== null && this.#mayReadOn) this.#readOn(this.#io)
  }

  /** Reads what there is, past dgram. False: it cannot, or has to let the event loop go on. */
  readAgain(): boolean {
    if (this.closed || this.#io === null || !this.#mayReadOn) return false
    this.#readOn(this.#io)
    return true
  }

  #readOn(io: NativeIo): void {
    for (let reads = 0; reads < MOST_READS && !this.closed; reads++) {
      const slab = slabWithRoom()
      const count = io.receive(this.#fd, slab.buffer, slab.used, LARGEST_READ)
      if (typeof count === 'string') {
        if (count !== 'EAGAIN') this.#user.receiveFailed(this, count)
        return
      }
      this.#user.datagramArrived(this, slab.take(count), io.remoteAddress, io.remotePort)
    }
    // The event loop has others to look after.
    this.#mayReadOn = false
    setImmediate(() => {
      this.#mayReadOn = true
    })
  }

  readonly #onError = (error: Error): void => {
    if (!this.closed) this.#user.receiveFailed(this, codeOf(error))
  }

  readonly #onSent = (error: Error | null): void => {
    const batch = this.#batches[this.#head]
    if (batch === undefined || batch === null) return
    const first = batch.done
    const last = batch.sends[batch.sendsDone++]
    batch.done = last
    this.waiting -= batch.ends[last - 1] - batch.startOf(first)
    if (error !== null) {
      batch.failed += last - first
      this.#user.sendFailed(this, batch, first, last, codeOf(error))
    }
    // Closed by what the failure led to: the batch is given back already.
    if (this.closed) return
    if (batch.done === batch.count) {
      this.#batches[this.#head++] = null
      this.#user.batchDone(this, batch)
    }
    if (this.#head === this.#batches.length) {
      this.#batches.length = 0
      this.#head = 0
      this.#user.drained(this)
    } else if (this.#head >= 1024) {
      this.#batches = this.#batches.slice(this.#head)
      this.#head = 0
    }
  }

  /** Gives back what will not be called back for. dgram's queue still refers to the buffers, so they are not used again. */
  #abandon(): void {
    this.#batches = []
    this.#head = 0
    this.waiting = 0
  }
}

/** Asks for large buffers and returns what was granted for receiving. */
function setBuffers(raw: dgram.Socket, recvBufferSize: number | undefined, wanted: number, force: () => void): number {
  if (recvBufferSize !== undefined) {
    attempt(() => raw.setRecvBufferSize(recvBufferSize))
  } else {
    askForMost(wanted, (size) => raw.setRecvBufferSize(size))
    force()
  }
  askForMost(WANTED_BUFFER, (size) => raw.setSendBufferSize(size))
  try {
    return raw.getRecvBufferSize()
  } catch {
    return LEAST_BUFFER
  }
}

/** Linux cuts a request that is too large down to its limit; BSDs refuse it, and want to be asked for less. */
function askForMost(wanted: number, ask: (size: number) => void): void {
  for (let size = wanted; size >= LEAST_BUFFER; size >>= 1) {
    if (attempt(() => ask(size))) return
  }
}

function attempt(action: () => void): boolean {
  try {
    action()
    return true
  } catch {
    return false
  }
}

function codeOf(error: unknown): ErrorCode {
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' ? code : 'EIO'
}

function ignore(): void {}
