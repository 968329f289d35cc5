import type { Tracer } from '../observe/tracer.ts'
import {
  FrameKind,
  FrameResult,
  FrameView,
  nextFrame,
  PROBE_TOKEN_LENGTH,
  SHIM_LENGTH,
  segmentKind,
  writeProbe,
  writeShim,
} from '../wire/frame.ts'
import { type Family, familyOf } from './addresses.ts'
import { type Batch, LARGEST_BATCH } from './batch.ts'
import type { ErrorCode, Path, PathUser, ReceiveBudget } from './datagrams.ts'
import type { PathImpairment } from './impairment.ts'
import { headerBytes, leastMtu, nextLowerDatagram } from './mtu.ts'
import { NOBODY, type PathHost } from './path-host.ts'
import { PathMtu } from './path-mtu.ts'
import type { UdpSocket } from './udp.ts'

const EMPTY = Buffer.alloc(0)
/** rfc9293#3.1: fifteen words, options and all. */
const MOST_HEADER = 60
const view = new FrameView()

export class UdpPath implements Path {
  readonly host: PathHost
  readonly family: Family
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly loopback: boolean
  readonly socket: UdpSocket
  /** We began it: then it is ours to keep alive. */
  readonly opened: boolean

  user: PathUser = NOBODY
  crowded = false
  closed = false
  /** Under which the tunnel finds it again for another connection. */
  key: string | null = null
  /** The owner knows of it. */
  announced = false
  /** Segments may be this long; see `datagrams.ts`. */
  maxSegment: number
  lastHeardUs: number
  lastSentUs: number

  // The slot of `reserve`, and how far the next one of a run is from it.
  buffer: Buffer = EMPTY
  offset = 0
  stride = 0

  impairment: PathImpairment | null = null
  /** The search for how large its datagrams may be; null: nobody searches. */
  readonly mtuSearch: PathMtu | null
  /** Which of the paths of its kind it is, for the random numbers of its impairment. */
  ordinal: number | null = null
  /** Another UDP socket in the place of `socket`: what a NAT that forgot its mapping makes of it. */
  outlet: UdpSocket | null = null
  /** In the tunnel's list of those to be flushed. */
  dirty = false
  /** The peer, as system calls want it. */
  sockaddr: Buffer | null = null

  readonly #shim: number
  #active = false
  /** What was committed and not flushed. */
  #batch: Batch | null = null
  /** Bytes of the largest datagram that is packed or sent. */
  #maxDatagram: number
  /** Bytes of the largest into which several frames are packed. */
  #packLimit = Infinity
  /** What the kernel refused as too large. */
  #refusedSize = Infinity
  #records = 0
  /** Batches of segments sent off, and of these the last that is gone. */
  #sent = 0
  #gone = 0
  /** Somebody waits for one of them to go. */
  #awaited = false
  /** `reserve` said no, and `writable` is owed. */
  #blocked = false
  /** Of our last probe. */
  #token = -1n

  constructor(
    host: PathHost,
    socket: UdpSocket,
    localAddress: string,
    remoteAddress: string,
    remotePort: number,
    loopback: boolean,
    opened: boolean,
    nowUs: number,
  ) {
    this.host = host
    this.#shim = host.framed ? SHIM_LENGTH : 0
    this.socket = socket
    this.family = familyOf(remoteAddress)
    this.localAddress = localAddress
    this.localPort = socket.localPort
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.loopback = loopback
    this.opened = opened
    this.lastHeardUs = nowUs
    this.lastSentUs = nowUs
    const searched = host.mtuProber !== null && !loopback && this.framed
    this.mtuSearch = searched ? new PathMtu(leastMtu(this.family), host.linkMtu(localAddress)) : null
    this.#maxDatagram = this.#datagramLimit
    this.maxSegment = this.#maxDatagram - this.#shim
  }

  get framed(): boolean {
    return this.#shim !== 0
  }

  get heardAnyway(): boolean {
    return this.socket.hearsStrangers
  }

  get offload(): boolean {
    return this.socket.offload
  }

  get receiveBudget(): ReceiveBudget {
    return this.socket.budget
  }

  get receiveDrops(): number {
    return this.socket.drops
  }

  get active(): boolean {
    return this.#active
  }

  set active(active: boolean) {
    this.#active = active
    if (active) this.host.pathActive(this)
  }

  // ---- records

  retain(): void {
    this.#records++
  }

  release(): void {
    if (this.#records > 0) this.#records--
    this.host.pathIdle(this)
  }

  /** Nobody needs it and nothing is under way. */
  get isIdle(): boolean {
    if (this.#records > 0 || (this.#batch !== null && this.#batch.count > 0)) return false
    // What dgram still has to send would be thrown away with the socket.
    if (this.socket.connected && this.socket.waiting > 0) return false
    if (this.outlet !== null && this.outlet.waiting > 0) return false
    return this.impairment === null || this.impairment.isEmpty
  }

  get isWanted(): boolean {
    return this.#records > 0
  }

  /** Called by the tunnel only. */
  close(): void {
    this.closed = true
    this.user = NOBODY
    if (this.#batch !== null) this.host.pool.put(this.#batch)
    this.#batch = null
    this.impairment?.close()
    this.impairment = null
    this.buffer = EMPTY
  }

  // ---- sending

  reserve(size: number): boolean {
    if (this.closed || (this.crowded && size > MOST_HEADER)) return false
    const limit = this.host.owner.settings.tcp_limit_output_bytes
    // Most of what waits for its callback is with the kernel already; asking dgram costs more than comparing.
    if (this.socket.waiting > limit && this.socket.queued > limit) {
      if (!this.#blocked) this.socket.blocked.push(this)
      this.#blocked = true
      return false
    }
    const batch = this.#room(size + this.#shim)
    this.buffer = batch.buffer
    this.offset = batch.used + this.#shim
    return true
  }

  commit(size: number, ect = false): void {
    this.commitRun(size, 1, ect)
  }

  reserveRun(size: number, count: number): number {
    if (!this.reserve(size)) return 0
    const frame = size + this.#shim
    const used = this.offset - this.#shim
    const fit = Math.max(1, Math.min(count, Math.floor((LARGEST_BATCH - used) / frame)))
    if (fit > 1) this.buffer = this.#room(frame * fit).buffer
    this.stride = frame
    return fit
  }

  commitRun(size: number, count: number, ect: boolean): void {
    const batch = this.#batch
    if (batch === null) return
    const packable = this.packable
    const kind = segmentKind(ect)
    for (let i = 0; i < count; i++) {
      if (this.#shim !== 0) writeShim(batch.buffer, batch.used, kind, size)
      batch.append(batch.used + this.#shim + size, packable)
    }
    if (!this.dirty) this.host.pathDirty(this)
  }

  /** Nobody but the system looks at what is written, and that takes it from anywhere. */
  get lends(): boolean {
    return (
      this.impairment === null &&
      this.outlet === null &&
      this.socket.gathers &&
      (this.host.owner.tracer ?? null) === null
    )
  }

  lend(at: number, source: Buffer, start: number, size: number): void {
    this.#batch?.loans.add(at, source, start, size)
  }

  get batch(): number {
    return this.#sent + 1
  }

  /** What impairment has is on its way. */
  isWaiting(batch: number): boolean {
    const waits = batch > this.#gone && batch <= this.#sent
    if (waits) this.#awaited = true
    return waits
  }

  /** The system has taken, or refused, the batch of this number. */
  batchGone(number: number): void {
    this.#gone = Math.max(this.#gone, number)
    if (!this.#awaited || this.closed) return
    this.#awaited = false
    this.user.writable()
    this.host.owner.wantTurn()
  }

  /** Sends what was committed, through the impairment if there is one. */
  flush(nowUs: number): void {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    this.#sent++
    const tracer = this.host.owner.tracer ?? null
    if (batch.loans.count > 0 && !this.lends) batch.loans.settle(batch.buffer)
    if (this.impairment === null) {
      batch.number = this.#sent
      if (tracer !== null) this.#trace(batch, tracer, nowUs)
      this.send(batch, nowUs)
      return
    }
    this.#gone = this.#sent
    this.impairment.frames.send(batch, nowUs)
    this.host.pool.put(batch)
  }

  /** Frames that impairment held until now. */
  releaseDelayed(nowUs: number): void {
    this.impairment?.frames.release(nowUs)
    this.endImpairment()
  }

  /** Lets go of an impairment that was turned off, once it holds nothing: the plain way is faster. */
  endImpairment(): void {
    if (!this.impairment?.isOver) return
    this.impairment.close()
    this.impairment = null
  }

  /** Sends all that waits, due or not. */
  flushAll(nowUs: number): void {
    this.flush(nowUs)
    this.impairment?.frames.releaseOut(Infinity, nowUs)
  }

  probe(): void {
    if (this.closed || this.#shim === 0) return
    const { owner } = this.host
    this.#token = owner.randomToken()
    this.#writeProbe(FrameKind.Probe, this.#token)
    owner.counters.PathProbesSent++
    this.flush(owner.nowUs())
  }

  /** With the eight bytes that the prober chose, and nothing else: never larger than the probe. */
  replyToProbe(token: bigint): void {
    if (this.closed) return
    this.#writeProbe(FrameKind.ProbeReply, token)
    this.host.owner.counters.PathProbesAnswered++
  }

  /** True: it answers our last probe. */
  isOurToken(token: bigint): boolean {
    return token === this.#token
  }

  /** After the socket's queue emptied. */
  unblock(): void {
    if (!this.#blocked || this.closed) return
    this.#blocked = false
    this.user.writable()
    this.host.owner.wantTurn()
  }

  sendFailed(batch: Batch, first: number, last: number, code: ErrorCode): void {
    const { owner } = this.host
    switch (code) {
      case 'ECONNREFUSED':
        // The kernel reported what an earlier datagram met, and did not send this one.
        if (!batch.again) this.#sendAgain(batch, first, last)
        this.user.refused(owner.nowUs())
        owner.wantTurn()
        return
      case 'ENETUNREACH':
      case 'EHOSTUNREACH':
        this.user.unreachable(code, owner.nowUs())
        owner.wantTurn()
        return
      case 'EMSGSIZE':
        this.#refusedAsTooLarge(batch, first, last)
        return
      case 'ECANCELED':
        return
    }
    if (last - first > 1 && (code === 'EIO' || code === 'EINVAL')) {
      // linux: udp_send_skb; the device has no checksum offload, without which there is no cutting.
      owner.counters.UdpGsoFailures++
      this.socket.stopOffload()
      this.#sendAgain(batch, first, last)
      return
    }
    // EPERM, ENOBUFS, EAGAIN and whatever else: a lost packet, as any queue on the way may lose one.
    owner.counters.UdpSndbufErrors += last - first
  }

  // ---- size

  /** A datagram of `size` bytes does not fit the way. What is announced follows the smallest that did not (rfc9293#3.7.3 SHLD-6). */
  tooLarge(size: number): void {
    const { mtuSearch } = this
    if (mtuSearch !== null) {
      if (size === Infinity) mtuSearch.search.told()
      else mtuSearch.search.refused(size + headerBytes(this.family))
      this.#searchMoved()
      return
    }
    this.#refusedSize = Math.min(this.#refusedSize, nextLowerDatagram(Math.min(size, this.#maxDatagram), this.family))
    this.mtuChanged()
  }

  mtuChanged(): void {
    const limit = this.#datagramLimit
    if (limit === this.#maxDatagram) return
    if (this.mtuSearch !== null && limit < this.#maxDatagram) this.host.owner.counters.PathMtuLowered++
    this.#maxDatagram = limit
    this.maxSegment = limit - this.#shim
    this.user.maxSegmentChanged()
    this.host.owner.wantTurn()
  }

  get mostSegment(): number {
    const { mtu } = this.host
    if (this.mtuSearch === null) return this.maxSegment
    const link = this.mtuSearch.linkMtu - headerBytes(this.family)
    return (mtu.impaired ? Math.min(link, this.#ruled) : link) - this.#shim
  }

  blackHole(): void {
    if (this.mtuSearch === null) return
    this.mtuSearch.search.blackHole()
    this.#searchMoved()
  }

  /** True: it answers a probe of a size. */
  sizeAnswered(token: bigint): boolean {
    const size = this.mtuSearch?.take(token) ?? 0
    if (size === 0) return false
    if (this.mtuSearch?.search.answered(size)) this.host.owner.counters.PathMtuRaised++
    this.#searchMoved()
    return true
  }

  #searchMoved(): void {
    const { mtuProber, owner } = this.host
    this.mtuChanged()
    if (this.#active) mtuProber?.add(this, owner.nowUs())
    owner.wantTurn()
  }

  /** Bytes of UDP payload by what the stack was told. */
  get #ruled(): number {
    return this.host.mtu.datagram(this.family, this.loopback, this.socket.budget.granted)
  }

  get #datagramLimit(): number {
    if (this.mtuSearch === null) return Math.min(this.#ruled, this.#refusedSize)
    const found = this.mtuSearch.search.size - headerBytes(this.family)
    return this.host.mtu.impaired ? Math.min(found, this.#ruled) : found
  }

  #refusedAsTooLarge(batch: Batch, first: number, last: number): void {
    const size = batch.ends[first] - batch.startOf(first)
    this.host.owner.counters.UdpTooLarge++
    // linux: what an earlier datagram met on the way is told to whoever sends next. One that fits every way was not meant.
    const isMeant = size > leastMtu(this.family) - headerBytes(this.family)
    this.tooLarge(isMeant ? size : Infinity)
    // linux: one by one they leave, in fragments.
    if (last - first > 1 || (!isMeant && !batch.again)) this.#sendAgain(batch, first, last)
  }

  packAtMost(maxSegment: number): void {
    this.#packLimit = Math.min(this.#packLimit, maxSegment + this.#shim)
  }

  // ---- receiving

  /** A segment came: borrowed until return. */
  segmentArrived(buffer: Buffer, start: number, end: number, nowUs: number, ect: boolean, marked: boolean): void {
    this.lastHeardUs = nowUs
    if (this.impairment === null) {
      this.host.owner.tracer?.frameReceived?.(nowUs, this, buffer, start, end)
      this.user.segmentArrives(buffer, start, end, nowUs, marked)
      return
    }
    this.impairment.frames.arrived(buffer, start, end, nowUs, ect, marked)
  }

  /** The same, for the first of several in one read: those behind it may be taken along. Returns where the first frame begins that was not. */
  runArrived(buffer: Buffer, start: number, end: number, readEnd: number, nowUs: number): number {
    const { user, impairment } = this
    const isShown = (this.host.owner.tracer ?? null) !== null
    if (impairment !== null || isShown || user.runArrives === undefined) {
      this.segmentArrived(buffer, start, end, nowUs, false, false)
      return end
    }
    this.lastHeardUs = nowUs
    return user.runArrives(buffer, start, end, readEnd, nowUs)
  }

  // ---- inside

  /** Bytes up to which frames share a datagram; in bare mode the datagram is the segment, never two in one. */
  get packable(): number {
    return this.#shim === 0 ? 0 : Math.min(this.#maxDatagram, this.#packLimit)
  }

  /** The batch that is being written, with room for a frame of `size` bytes. */
  #room(size: number): Batch {
    let batch = this.host.pool.room(this, this.#batch, size)
    if (batch === null) {
      this.flush(this.host.owner.nowUs())
      batch = this.host.pool.take(this, LARGEST_BATCH)
    }
    this.#batch = batch
    return batch
  }

  /** Sends datagrams as they are; the batch is the socket's from then on. */
  send(batch: Batch, nowUs: number): void {
    this.lastSentUs = nowUs
    const socket = this.outlet ?? this.socket
    socket.send(batch, this.remoteAddress, this.remotePort)
  }

  /** Shows the segments of a batch that leaves as it is. */
  #trace(batch: Batch, tracer: Tracer, nowUs: number): void {
    const { buffer, count, ends, used } = batch
    if (this.#shim === 0) {
      for (let i = 0; i < count; i++) tracer.frameSent?.(nowUs, this, buffer, batch.startOf(i), ends[i])
      return
    }
    for (let at = 0; nextFrame(buffer, at, used, view) === FrameResult.Frame; at = view.next) {
      if (view.kind === FrameKind.Segment) tracer.frameSent?.(nowUs, this, buffer, view.start, view.end)
    }
  }

  #writeProbe(kind: typeof FrameKind.Probe | typeof FrameKind.ProbeReply, token: bigint): void {
    const batch = this.#room(SHIM_LENGTH + PROBE_TOKEN_LENGTH)
    const size = writeProbe(batch.buffer, batch.used, kind, token)
    batch.append(batch.used + size, this.packable)
    if (!this.dirty) this.host.pathDirty(this)
  }

  #sendAgain(batch: Batch, first: number, last: number): void {
    const start = batch.startOf(first)
    const size = batch.ends[last - 1] - start
    const once = this.host.pool.take(this, size)
    batch.buffer.copy(once.buffer, 0, start, start + size)
    for (let i = first; i < last; i++) once.append(batch.ends[i] - start, 0)
    once.again = true
    this.socket.send(once, this.remoteAddress, this.remotePort)
  }
}
