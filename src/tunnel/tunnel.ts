import dgram from 'node:dgram'
import type { Impairment, ImpairReportEntry } from '../impair/index.ts'
import { FrameKind, FrameResult, FrameView, nextFrame, readProbeToken, SHIM_LENGTH } from '../wire/frame.ts'
import { type Family, type Interfaces, isLoopbackAddress, isNobody, LocalAddresses } from './addresses.ts'
import { type Batch, BatchPool } from './batch.ts'
import type { ErrorCode, ListenRequest, OpenRequest, Path, Tunnel, TunnelOwner, UdpListener } from './datagrams.ts'
import { Impairer } from './impairment.ts'
import { LinkMtus } from './link-mtu.ts'
import { Listeners } from './listeners.ts'
import { ETHERNET, MtuRule } from './mtu.ts'
import { type NativeSockets, nativeSockets } from './native.ts'
import { Opener } from './opener.ts'
import { UdpPath } from './path.ts'
import { MtuProber } from './path-mtu.ts'
import { Prober } from './probes.ts'
import { receiveDrops, tableKey } from './proc-net.ts'
import { announceConnections, ownSocket } from './shared-port.ts'
import { type DgramModule, UdpSocket } from './udp.ts'

export interface TunnelMode {
  /** The one UDP port, bound by the first `listen`. */
  port: number
  /** Where to bind it; absent: every address. */
  host?: string
}

export interface UdpTunnelOptions {
  owner: TunnelOwner
  encapsulation: 'framed' | 'bare'
  /** `'probe'`: what paths take is searched for, which needs `native` (or a simulated network). */
  mtu: 'auto' | 'probe' | number
  /** Instead of what the system says of its interfaces: bytes of packet, by local address. */
  linkMtu?: (localAddress: string) => number
  /** Absent: direct mode. */
  tunnel?: TunnelMode
  /** Which paths are impaired: all, or those that were opened here. */
  impairs?: 'all' | 'opened'
  /** Instead of `node:dgram`: a simulated network. */
  dgram?: DgramModule
  /** Instead of `os.networkInterfaces`, or what that would say for ever. */
  interfaces?: (() => Interfaces) | Interfaces
  /** `SO_RCVBUF` of every socket; absent: as much as can be had. */
  recvBufferSize?: number
  /** UDP GSO and GRO where they can be had; default: never. */
  offload?: 'auto' | 'off'
  /** Instead of the system's. */
  native?: NativeSockets | null
  impair?: Impairment | null
  /** Of the impairment, where that names none of its own. */
  seed: number
}

/** Paths of strangers that wait for their segments to come out of the impairment. */
const MOST_LOOSE = 65_536
/** Datagrams of this size cost little each: sending many at a time would gain nothing. */
const LARGE_DATAGRAM = 7000
/**
 * Bytes after which the turn does not wait until all is read. The sender has something to do sooner, and what was read goes on while it is in the
 * processor's cache, and is garbage before the collector moves it to where that is expensive to find.
 */
const MOST_UNTURNED = 1 << 20
/** A TCP header; what is shorter is no segment. */
const LEAST_SEGMENT = 20

/** UDP input and output of one host: see `Tunnel`. */
export class UdpTunnel implements Tunnel {
  readonly owner: TunnelOwner
  readonly pool = new BatchPool()
  readonly framed: boolean
  readonly mtu: MtuRule
  readonly mtuProber: MtuProber | null
  readonly linkMtu: (localAddress: string) => number
  readonly local: LocalAddresses

  readonly #dgram: DgramModule | undefined
  readonly #recvBufferSize: number | undefined
  readonly #offload: boolean
  readonly #native: NativeSockets | null | undefined
  readonly #mode: TunnelMode | null
  readonly #impairer: Impairer
  readonly #prober: Prober

  readonly #listeners: Listeners
  /** Linux itself, not a simulated network: there is a /proc, and all of 127/8. */
  readonly #isKernel: boolean
  readonly #opener: Opener
  /** Paths of shared ports that have a socket of their own. */
  #ownSockets = 0

  #dirty: UdpPath[] = []
  /** Without records: they close as soon as nothing of theirs is under way. */
  readonly #loose = new Set<UdpPath>()
  /** With segments that the impairment holds. */
  readonly #delayed = new Set<UdpPath>()
  #delayedUs = Infinity
  #closed = false
  #lastRead: UdpSocket | null = null
  /** Bytes read since the last turn. */
  #unturned = 0
  readonly #view = new FrameView()

  constructor(options: UdpTunnelOptions) {
    this.owner = options.owner
    this.framed = options.encapsulation === 'framed'
    this.mtu = new MtuRule(options.mtu, process.platform)
    this.mtuProber = options.mtu === 'probe' ? new MtuProber(options.owner, this.pool) : null
    const links = new LinkMtus()
    this.linkMtu = options.linkMtu ?? ((address) => links.of(address, this.owner.nowUs()))
    this.local = new LocalAddresses(options.interfaces)
    this.#dgram = options.dgram
    this.#recvBufferSize = options.recvBufferSize
    // In bare mode nothing tells where a datagram ends: neither in a coalesced read nor in a capture of a send that is still to be cut.
    const native = options.dgram === undefined || options.native !== undefined
    this.#offload = options.offload === 'auto' && native && this.framed
    this.#native = options.native
    this.#mode = options.tunnel ?? null
    this.#isKernel = options.dgram === undefined && options.interfaces === undefined && process.platform === 'linux'
    this.#listeners = new Listeners(this, this.#isKernel)
    this.#opener = new Opener(this, this.#mode !== null)
    this.#impairer = new Impairer(
      options.impair ?? null,
      options.seed,
      options.dgram ?? dgram,
      options.owner,
      (path) => this.#rebind(path),
      options.impairs === 'opened',
    )
    this.mtu.impaired = this.#impairer.isOn
    this.#prober = new Prober(options.owner)
  }

  // ---- listening

  listen(request: ListenRequest): UdpListener | ErrorCode {
    if (this.#closed) return 'EINVAL'
    this.local.refresh(this.owner.nowUs(), 0)
    if (this.#mode !== null) return this.#listeners.bindShared(this.#mode.host, this.#mode.port, request.reusePort)
    return this.#listeners.bind(request.address, request.port, request.ipv6Only, request.reusePort)
  }

  // ---- opening

  open(request: OpenRequest): Path | ErrorCode {
    return this.#closed ? 'EINVAL' : this.#opener.open(request, this.#listeners.shared)
  }

  pathTo(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): UdpPath | null {
    const socket = this.#listeners.socketOf(localAddress, localPort)
    if (this.#closed || socket === null) return null
    const path =
      socket.paths.find(remoteAddress, remotePort) ??
      this.#stranger(socket, remoteAddress, remotePort, this.owner.nowUs())
    if (path !== null) this.announce(path)
    return path
  }

  /** @param loopback it will talk to this machine only */
  openSocket(
    family: Family,
    address: string,
    port: number,
    loopback: boolean = isLoopbackAddress(address),
    shareAddress: boolean = false,
    reusePort: boolean = false,
  ): UdpSocket | ErrorCode {
    const { ip_default_ttl: ttl, tcp_rmem } = this.owner.settings
    const [dgram, recvBufferSize] = [this.#dgram, this.#recvBufferSize]
    const native = this.#nativeFor(family, loopback)
    // A simulated network cuts nothing.
    const whole = this.mtuProber === null || loopback || dgram !== undefined ? null : this.#door
    const door = this.#offload && dgram === undefined ? this.#findDoor : undefined
    const buffers = { recvBufferSize, largestBuffer: tcp_rmem[2] }
    const options = { family, address, port, dgram, ...buffers, ttl, shareAddress, reusePort, native, whole, door }
    return UdpSocket.open(options, this)
  }

  /** Looked for only when a socket needs it: loading it takes a moment and some megabytes. */
  #nativeFor(family: Family, loopback: boolean): NativeSockets | null {
    if (!this.#offload || this.mtu.datagram(family, loopback, Infinity) >= LARGE_DATAGRAM) return null
    return this.#door
  }

  readonly #findDoor = (): NativeSockets | null => this.#door

  get #door(): NativeSockets | null {
    return this.#native === undefined ? nativeSockets() : this.#native
  }

  /** A path that nobody knows of yet. */
  newPath(
    socket: UdpSocket,
    localAddress: string,
    remote: string,
    remotePort: number,
    opened: boolean,
    now: number,
  ): UdpPath {
    const loopback = this.local.isLoopback(remote)
    const path = new UdpPath(this, socket, localAddress, remote, remotePort, loopback, opened, now)
    this.#impairer.apply(path)
    this.#prober.add(path, now)
    return path
  }

  /** Tells the owner of a path, if it does not know yet. */
  announce(path: UdpPath): void {
    if (path.announced) return
    path.announced = true
    // Until somebody keeps it, which has time until the end of the turn.
    this.#loose.add(path)
    path.user = this.owner.pathOpened(path)
    this.owner.wantTurn()
  }

  // ---- receiving

  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void {
    const now = this.owner.nowUs()
    if (this.#closed) return
    if (socket.divert?.(message, remoteAddress, remotePort)) return
    const { counters } = this.owner
    counters.UdpInDatagrams++
    const path = socket.peer ?? socket.paths.find(remoteAddress, remotePort)
    if (path?.opened && path.outlet !== null && path.outlet !== socket) return
    // Nobody can be answered at port 0; strangers are heard where somebody listens.
    if (remotePort === 0 || message.length === 0 || (path === null && !socket.hearsStrangers)) {
      counters.UdpInErrors++
      return
    }
    if (this.framed) this.#walk(socket, path, message, remoteAddress, remotePort, now)
    else if (message.length < LEAST_SEGMENT) counters.UdpInErrors++
    else this.#deliver(path ?? this.#stranger(socket, remoteAddress, remotePort, now), message, 0, message.length, now)
    this.#lastRead = socket
    this.owner.wantTurn(message.length)
    this.#unturned += message.length
    if (this.#unturned >= MOST_UNTURNED) {
      this.#unturned = 0
      this.owner.turnNow?.()
    }
  }

  #walk(
    socket: UdpSocket,
    known: UdpPath | null,
    message: Buffer,
    remoteAddress: string,
    remotePort: number,
    now: number,
  ): void {
    const view = this.#view
    const { counters } = this.owner
    let path = known
    // In a read of several datagrams a bad frame costs only its own.
    const stride = socket.offload && message.length > ETHERNET ? SHIM_LENGTH + message.readUInt16BE(2) : 0
    if (stride > 0) counters.UdpGroReads++
    for (let at = 0; ; at = view.next) {
      const result = nextFrame(message, at, message.length, view, 0, stride)
      if (result === FrameResult.End) return
      if (result !== FrameResult.Frame) {
        counters.UdpInErrors++
        continue
      }
      const { kind, start, end, next } = view
      if (kind === FrameKind.Segment) {
        // A stranger costs nothing before the first frame that may be a segment.
        path ??= this.#stranger(socket, remoteAddress, remotePort, now)
        if (stride > 0 && path?.announced && !view.ect && next < message.length) {
          view.next = path.runArrived(message, start, end, message.length, now)
          if (path.closed) return
          continue
        }
        this.#deliver(path, message, start, end, now, view.ect, view.marked)
        if (path === null || path.closed) return
      } else {
        const token = readProbeToken(message, start, end)
        if (token === null) counters.UdpInErrors++
        else if (kind === FrameKind.ProbeReply) this.#probeAnswered(path, token, now)
        else path = this.#probed(path, socket, remoteAddress, remotePort, token, now)
      }
      view.next = next
    }
  }

  #deliver(
    path: UdpPath | null,
    message: Buffer,
    start: number,
    end: number,
    now: number,
    ect = false,
    marked = false,
  ): void {
    if (path === null) {
      this.owner.counters.UdpInErrors++
      return
    }
    this.announce(path)
    path.segmentArrived(message, start, end, now, ect, marked)
  }

  /** A path for somebody who was not heard before; it goes when the owner does not keep it. */
  #stranger(socket: UdpSocket, remoteAddress: string, remotePort: number, now: number): UdpPath | null {
    // rfc9293#3.9.2.3 MUST-63: nobody is there; an answer would reach many, or go nowhere.
    if (this.#loose.size >= MOST_LOOSE || isNobody(remoteAddress, this.local)) return null
    const path = this.newPath(socket, socket.localAddress, remoteAddress, remotePort, false, now)
    socket.paths.add(path)
    this.#loose.add(path)
    return path
  }

  #probed(
    known: UdpPath | null,
    socket: UdpSocket,
    remoteAddress: string,
    remotePort: number,
    token: bigint,
    now: number,
  ): UdpPath | null {
    const path =
      known?.active || this.#prober.allow(now)
        ? (known ?? this.#stranger(socket, remoteAddress, remotePort, now))
        : null
    if (path === null) {
      this.owner.counters.PathProbesIgnored++
      return known
    }
    path.lastHeardUs = now
    path.replyToProbe(token)
    return path
  }

  #probeAnswered(path: UdpPath | null, token: bigint, now: number): void {
    if (path?.isOurToken(token)) {
      path.lastHeardUs = now
      path.user.probeAnswered?.(now)
    } else if (path?.sizeAnswered(token)) path.lastHeardUs = now
    else this.owner.counters.PathProbesIgnored++
  }

  readAgain(): boolean {
    if (this.#lastRead?.closed) this.#lastRead = null
    return this.#lastRead?.readAgain() ?? false
  }

  receiveFailed(socket: UdpSocket, code: ErrorCode): void {
    const path = socket.peer
    if (path === null || this.#closed) return
    // windows: WSAECONNRESET is what "port unreachable" becomes there.
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET') path.user.refused(this.owner.nowUs())
    else if (code === 'ENETUNREACH' || code === 'EHOSTUNREACH') path.user.unreachable(code, this.owner.nowUs())
    else if (code === 'EMSGSIZE') path.tooLarge(Infinity)
    else return
    this.owner.wantTurn()
  }

  /** linux: brings `UdpRcvbufErrors` up to date with what the kernel threw away; sockets that closed meanwhile are missed. */
  countDrops(): void {
    const drops = this.#isKernel ? receiveDrops() : null
    if (drops === null || drops.size === 0) return
    for (const socket of this.#sockets()) {
      const now = drops.get(tableKey(socket.localAddress, socket.localPort)) ?? socket.drops
      this.owner.counters.UdpRcvbufErrors += Math.max(0, now - socket.drops)
      socket.drops = now
    }
  }

  // ---- sending

  pathDirty(path: UdpPath): void {
    path.dirty = true
    this.#dirty.push(path)
  }

  pathDelayed(path: UdpPath): void {
    this.#delayed.add(path)
    if (path.impairment !== null) this.#delayedUs = Math.min(this.#delayedUs, path.impairment.deadline)
  }

  flush(nowUs: number): void {
    this.#unturned = 0
    const dirty = this.#dirty
    for (let i = 0; i < dirty.length; i++) {
      const path = dirty[i]
      path.dirty = false
      if (!path.closed) path.flush(nowUs)
    }
    dirty.length = 0
    if (this.#loose.size > 0) this.#sweep()
  }

  sendFailed(_socket: UdpSocket, batch: Batch, first: number, last: number, code: ErrorCode): void {
    if (!this.#closed) batch.path?.sendFailed(batch, first, last, code)
  }

  batchDone(_socket: UdpSocket, batch: Batch): void {
    const { counters } = this.owner
    counters.UdpOutDatagrams += batch.count - batch.failed
    const { path, number } = batch
    if (batch.calls < batch.count) counters.UdpGsoSends += batch.calls
    this.pool.put(batch)
    if (number > 0) path?.batchGone(number)
  }

  drained(socket: UdpSocket): void {
    if (socket.blocked.length > 0) {
      const blocked = socket.blocked
      socket.blocked = []
      for (const path of blocked) path.unblock()
    }
    if (socket.peer !== null) this.pathIdle(socket.peer)
    else this.closeIfUnused(socket)
  }

  // ---- impairment

  get impair(): Impairment | null {
    return this.#impairer.impairment
  }

  /** Changes what happens to segments from now on; null ends it. What is held leaves when it would have. */
  setImpair(impairment: Impairment | null): void {
    this.#impairer.set(impairment)
    this.mtu.impaired = this.#impairer.isOn
    for (const path of this.#paths()) {
      this.#impairer.apply(path)
      // What is queued may leave at another time now.
      if (path.impairment !== null) this.pathDelayed(path)
      path.mtuChanged()
    }
    this.owner.wantTurn()
  }

  /** What decides the choices of the impairment. */
  get impairSeed(): number {
    return this.#impairer.seed
  }

  /** What was done for each rule, destination and direction. */
  impairReport(): ImpairReportEntry[] {
    return this.#impairer.report()
  }

  /** What a NAT does that forgot: from now on the peer sees another source port, and what it sends to the old one is lost. */
  #rebind(path: UdpPath): void {
    if (!path.opened || path.closed) return
    const socket = this.openSocket(path.family, path.localAddress, 0)
    if (typeof socket === 'string') return
    if (!socket.connect(path.remoteAddress, path.remotePort)) {
      socket.close()
      return
    }
    socket.peer = path
    path.outlet?.close()
    path.outlet = socket
  }

  // ---- time

  get deadline(): number {
    const sizes = this.mtuProber?.deadline ?? Infinity
    return Math.min(this.#delayedUs, this.#prober.deadline, this.#listeners.deadline, sizes)
  }

  deadlinePassed(nowUs: number): void {
    if (this.#closed) return
    if (nowUs >= this.#delayedUs) this.#releaseDelayed(nowUs)
    if (nowUs >= this.#prober.deadline) this.#prober.look(nowUs)
    if (this.mtuProber !== null && nowUs >= this.mtuProber.deadline) this.mtuProber.look(nowUs)
    if (nowUs >= this.#listeners.deadline) this.#listeners.deadlinePassed(nowUs)
    if (this.#loose.size > 0) this.#sweep()
  }

  #releaseDelayed(nowUs: number): void {
    this.#delayedUs = Infinity
    for (const path of this.#delayed) {
      if (!path.closed) path.releaseDelayed(nowUs)
      const deadline = path.impairment?.deadline ?? Infinity
      if (deadline === Infinity) this.#delayed.delete(path)
      else this.#delayedUs = Math.min(this.#delayedUs, deadline)
    }
    this.owner.wantTurn()
  }

  flushSync(): void {
    const now = this.owner.nowUs()
    this.flush(now)
    for (const path of this.#delayed) path.flushAll(now)
  }

  // ---- closing

  pathIdle(path: UdpPath): void {
    if (path.closed || path.isWanted) return
    if (path.isIdle) this.#closePath(path)
    else this.#loose.add(path)
  }

  #sweep(): void {
    for (const path of this.#loose) {
      if (path.isWanted) this.#loose.delete(path)
      else if (path.isIdle) this.#closePath(path)
    }
  }

  #closePath(path: UdpPath): void {
    const { socket } = path
    this.#loose.delete(path)
    this.#delayed.delete(path)
    this.#prober.remove(path)
    this.mtuProber?.remove(path)
    this.#opener.pathClosed(path)
    path.close()
    path.outlet?.close()
    if (path.outlet !== null && socket.reusePort) this.#ownSockets--
    if (socket.peer === path) {
      socket.peer = null
      socket.close()
    } else {
      socket.paths.remove(path)
      this.closeIfUnused(socket)
    }
  }

  /** A path carries its first connection. */
  pathActive(path: UdpPath): void {
    if (path.mtuSearch !== null) this.mtuProber?.add(path, this.owner.nowUs())
    if (!path.socket.reusePort || path.outlet !== null || this.#ownSockets >= this.owner.settings.max_paths) return
    if (ownSocket(this, path)) this.#ownSockets++
  }

  sharingBegan(socket: UdpSocket): void {
    if (this.#isKernel) announceConnections(this, socket)
  }

  openShared({ family, localAddress, localPort }: UdpSocket, everywhere: boolean): UdpSocket | ErrorCode {
    const any = family === 'IPv4' ? '0.0.0.0' : '::'
    // A simulated network has no such ways.
    const address = everywhere && this.#isKernel ? any : localAddress
    return this.openSocket(family, address, localPort, this.local.isLoopback(localAddress), false, true)
  }

  closeIfUnused(socket: UdpSocket): void {
    // What dgram still has to send would be thrown away.
    if (socket.closed || socket.listened || socket.paths.size > 0 || socket.waiting > 0) return
    if (socket.hearsStrangers) {
      this.#listeners.unused(socket)
      return
    }
    socket.close()
    this.#opener.socketClosed(socket)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const path of this.#paths()) {
      path.outlet?.close()
      path.close()
    }
    for (const socket of this.#sockets()) socket.close()
    this.#listeners.clear()
    this.#opener.clear()
    this.#loose.clear()
    this.#delayed.clear()
    this.#dirty = []
    this.#lastRead = null
    this.#delayedUs = Infinity
    this.#prober.clear()
    this.mtuProber?.clear()
    this.pool.clear()
  }

  *#paths(): Generator<UdpPath> {
    for (const socket of this.#sockets()) {
      if (socket.peer !== null) yield socket.peer
      yield* socket.paths
    }
  }

  *#sockets(): Generator<UdpSocket> {
    yield* this.#listeners.sockets()
    yield* this.#opener.sockets()
  }
}
