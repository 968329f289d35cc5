import dgram from 'node:dgram'
import type { Impairment } from '../impair/index.ts'
import { FrameKind, FrameResult, FrameView, nextFrame, readProbeToken } from '../wire/frame.ts'
import {
  canonicalAddress,
  destinationRefused,
  type Family,
  familyOf,
  type Interfaces,
  isLinkLocal,
  isLoopbackAddress,
  isNobody,
  isUnspecified,
  LocalAddresses,
} from './addresses.ts'
import { type Batch, BatchPool } from './batch.ts'
import type { ErrorCode, ListenRequest, OpenRequest, Path, Tunnel, TunnelOwner, UdpListener } from './datagrams.ts'
import { Impairer } from './impairment.ts'
import type { BoundListener } from './listener.ts'
import { Listeners } from './listeners.ts'
import { MtuRule } from './mtu.ts'
import { UdpPath } from './path.ts'
import { Prober } from './probes.ts'
import { receiveDrops, tableKey } from './proc-net.ts'
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
  mtu: 'auto' | number
  /** Absent: direct mode. */
  tunnel?: TunnelMode
  /** Instead of `node:dgram`: a simulated network. */
  dgram?: DgramModule
  /** Instead of `os.networkInterfaces`. */
  interfaces?: () => Interfaces
  /** `SO_RCVBUF` of every socket; absent: as much as can be had. */
  recvBufferSize?: number
  impair?: Impairment | null
  /** Of the impairment, where that names none of its own. */
  seed: number
}

/** How old the list of our addresses may be when a destination is looked at. */
const ADDRESSES_US = 1_000_000
/** How long, and for how many destinations, it is remembered from which address the kernel sends. */
const SOURCES_US = 3_000_000
const MOST_SOURCES = 1024
/** Paths of strangers that wait for their segments to come out of the impairment. */
const MOST_LOOSE = 65_536
/** A TCP header; what is shorter is no segment. */
const LEAST_SEGMENT = 20

/** UDP input and output of one host: see `Tunnel`. */
export class UdpTunnel implements Tunnel {
  readonly owner: TunnelOwner
  readonly pool = new BatchPool()
  readonly framed: boolean
  readonly mtu: MtuRule
  readonly local: LocalAddresses

  readonly #dgram: DgramModule | undefined
  readonly #recvBufferSize: number | undefined
  readonly #mode: TunnelMode | null
  readonly #impairer: Impairer
  readonly #prober: Prober

  readonly #listeners: Listeners
  /** Linux itself, not a simulated network: there is a /proc, and all of 127/8. */
  readonly #isKernel: boolean
  /** Paths with a socket of their own, by what was asked for. */
  readonly #opened = new Map<string, UdpPath>()
  readonly #connected = new Set<UdpPath>()
  /** Where paths go for which there is no descriptor. */
  readonly #shared = new Map<Family, UdpSocket>()

  readonly #sources = new Map<string, string>()
  #sourcesUntilUs = -Infinity

  #dirty: UdpPath[] = []
  /** Without records: they close as soon as nothing of theirs is under way. */
  readonly #loose = new Set<UdpPath>()
  /** With segments that the impairment holds. */
  readonly #delayed = new Set<UdpPath>()
  #delayedUs = Infinity
  #closed = false
  readonly #view = new FrameView()

  constructor(options: UdpTunnelOptions) {
    this.owner = options.owner
    this.framed = options.encapsulation === 'framed'
    this.mtu = new MtuRule(options.mtu, process.platform)
    this.local = new LocalAddresses(options.interfaces)
    this.#dgram = options.dgram
    this.#recvBufferSize = options.recvBufferSize
    this.#mode = options.tunnel ?? null
    this.#isKernel = options.dgram === undefined && options.interfaces === undefined && process.platform === 'linux'
    this.#listeners = new Listeners(this, this.#isKernel)
    this.#impairer = new Impairer(options.impair ?? null, options.seed, options.dgram ?? dgram)
    this.mtu.impaired = this.#impairer.isOn
    this.#prober = new Prober(options.owner)
  }

  // ---- listening

  listen(request: ListenRequest): UdpListener | ErrorCode {
    if (this.#closed) return 'EINVAL'
    this.local.refresh(this.owner.nowUs(), 0)
    if (this.#mode !== null) return this.#listeners.bindShared(this.#mode.host, this.#mode.port)
    return this.#listeners.bind(request.address, request.port, request.ipv6Only)
  }

  // ---- opening

  open(request: OpenRequest): Path | ErrorCode {
    if (this.#closed) return 'EINVAL'
    const now = this.owner.nowUs()
    this.local.refresh(now, ADDRESSES_US)
    let remote = canonicalAddress(request.remoteAddress)
    if (remote === null) return 'EINVAL'
    // linux: a connection to the unspecified address goes to this machine.
    if (isUnspecified(remote)) remote = remote === '::' ? '::1' : '127.0.0.1'
    const refused = destinationRefused(remote, this.local)
    if (refused !== null) return refused

    let localAddress = request.localAddress === undefined ? undefined : canonicalAddress(request.localAddress)
    if (localAddress === null) return 'EINVAL'
    if (localAddress !== undefined && familyOf(localAddress) !== familyOf(remote)) return 'EINVAL'
    if (localAddress !== undefined && isUnspecified(localAddress)) localAddress = undefined

    if (this.#listeners.shared !== null) {
      const path = this.#openThroughTunnel(this.#listeners.shared, remote, request.remotePort, localAddress, now)
      if (path !== null) return path
    }
    // Behind a tunnel's UDP port lie all TCP ports: which one it is makes no difference.
    const localPort = this.#mode === null ? request.localPort : 0
    const key = `${remote}|${request.remotePort}|${localAddress ?? ''}|${localPort}`
    const known = this.#opened.get(key)
    if (known !== undefined) return known
    return this.#openConnected(key, remote, request.remotePort, localAddress, localPort, request.choosePort, now)
  }

  #openThroughTunnel(
    listener: BoundListener,
    remote: string,
    remotePort: number,
    localAddress: string | undefined,
    now: number,
  ): UdpPath | null {
    const source = localAddress ?? this.#sourceFor(remote)
    const socket = source === null ? null : listener.socketTo(source, this.local.isLoopback(remote))
    if (socket === null) return null
    const known = socket.paths.find(remote, remotePort)
    if (known !== null) {
      this.#announce(known)
      return known
    }
    const path = this.#path(socket, socket.localAddress, remote, remotePort, true, now)
    socket.paths.add(path)
    this.#announce(path)
    return path
  }

  #openConnected(
    key: string,
    remote: string,
    remotePort: number,
    localAddress: string | undefined,
    localPort: number,
    choosePort: OpenRequest['choosePort'],
    now: number,
  ): UdpPath | ErrorCode {
    const family = familyOf(remote)
    const any = family === 'IPv4' ? '0.0.0.0' : '::'
    if (this.#connected.size >= this.owner.settings.max_paths) {
      this.#reclaim()
      if (this.#connected.size >= this.owner.settings.max_paths && localAddress === undefined && localPort === 0) {
        return this.#openShared(key, remote, remotePort, now)
      }
    }
    // A port of one's own choice may serve several destinations at once, as TCP ports do: the kernel tells connected sockets
    // apart by their peers. Listeners stay exclusive, for they do not share.
    const own = localAddress ?? any
    const socket =
      localPort === 0 && choosePort !== undefined
        ? this.#openChosen(family, own, choosePort)
        : this.openSocket(family, own, localPort, localPort !== 0)
    if (typeof socket === 'string') {
      const scarce = socket === 'EMFILE' || socket === 'ENFILE'
      return scarce && localPort === 0 ? this.#openShared(key, remote, remotePort, now) : socket
    }
    if (!socket.connect(remote, remotePort)) {
      socket.close()
      // linux: loopback addresses cannot leave the machine, and a link-local one needs a link that exists.
      const mismatch = localAddress !== undefined && isLoopbackAddress(localAddress) !== isLoopbackAddress(remote)
      return mismatch || isLinkLocal(remote) ? 'EINVAL' : 'ENETUNREACH'
    }
    // As the kernel writes it: a zone may have been given by its number.
    const path = this.#path(socket, socket.localAddress, socket.remoteAddress || remote, remotePort, true, now)
    path.key = key
    socket.peer = path
    this.#opened.set(key, path)
    this.#connected.add(path)
    this.#announce(path)
    return path
  }

  /** A socket on the first port that `choosePort` comes to and nobody has. */
  #openChosen(
    family: Family,
    address: string,
    choosePort: NonNullable<OpenRequest['choosePort']>,
  ): UdpSocket | ErrorCode {
    let socket: UdpSocket | ErrorCode = 'EADDRNOTAVAIL'
    const port = choosePort((candidate) => {
      socket = this.openSocket(family, address, candidate)
      // Any other failure would meet the next port too.
      return socket !== 'EADDRINUSE' && socket !== 'EACCES'
    })
    return port === null ? 'EADDRNOTAVAIL' : socket
  }

  pathTo(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): UdpPath | null {
    const socket = this.#listeners.socketOf(localAddress, localPort)
    if (this.#closed || socket === null) return null
    const path =
      socket.paths.find(remoteAddress, remotePort) ??
      this.#stranger(socket, remoteAddress, remotePort, this.owner.nowUs())
    if (path !== null) this.#announce(path)
    return path
  }

  /** Too few descriptors: one socket for many destinations. It does not hear that a port is closed. */
  #openShared(key: string, remote: string, remotePort: number, now: number): UdpPath | ErrorCode {
    const family = familyOf(remote)
    let socket = this.#shared.get(family)
    if (socket === undefined) {
      const opened = this.openSocket(family, family === 'IPv4' ? '0.0.0.0' : '::', 0)
      if (typeof opened === 'string') return opened
      this.#shared.set(family, opened)
      socket = opened
    }
    const localAddress = this.#sourceFor(remote)
    if (localAddress === null) {
      this.closeIfUnused(socket)
      return 'ENETUNREACH'
    }
    const path = this.#path(socket, localAddress, remote, remotePort, true, now)
    path.key = key
    socket.paths.add(path)
    this.#opened.set(key, path)
    this.#announce(path)
    return path
  }

  /** Asks paths that carry no connection to make room for one that will. */
  #reclaim(): void {
    for (const path of [...this.#connected]) {
      if (!path.active) path.user.reclaim?.()
      if (this.#connected.size < this.owner.settings.max_paths) return
    }
  }

  /** The address from which the kernel would send to a destination. */
  #sourceFor(remote: string): string | null {
    if (remote.startsWith('127.')) return '127.0.0.1'
    if (this.local.isLoopback(remote)) return remote
    const known = this.#sources.get(remote)
    if (known !== undefined && this.owner.nowUs() < this.#sourcesUntilUs) return known
    const family = familyOf(remote)
    const socket = this.openSocket(family, family === 'IPv4' ? '0.0.0.0' : '::', 0)
    if (typeof socket === 'string') {
      // No descriptor to ask with: on most machines there is one that it can be.
      const own = family === 'IPv4' ? this.local.ipv4 : this.local.ipv6
      return own.find((address) => !isLoopbackAddress(address) && !isLinkLocal(address)) ?? null
    }
    // Connecting sends nothing, and shows which way a datagram would take.
    const found = socket.connect(remote, 9) ? socket.localAddress : null
    socket.close()
    if (this.owner.nowUs() >= this.#sourcesUntilUs || this.#sources.size >= MOST_SOURCES) {
      this.#sources.clear()
      this.#sourcesUntilUs = this.owner.nowUs() + SOURCES_US
    }
    if (found !== null) this.#sources.set(remote, found)
    return found
  }

  openSocket(family: Family, address: string, port: number, shareAddress = false): UdpSocket | ErrorCode {
    const { ip_default_ttl: ttl } = this.owner.settings
    const [dgram, recvBufferSize] = [this.#dgram, this.#recvBufferSize]
    const options = { family, address, port, dgram, recvBufferSize, ttl, shareAddress }
    return UdpSocket.open(options, this)
  }

  #path(
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

  #announce(path: UdpPath): void {
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
    // Nobody can be answered at port 0; strangers are heard where somebody listens.
    if (remotePort === 0 || message.length === 0 || (path === null && !socket.hearsStrangers)) {
      counters.UdpInErrors++
      return
    }
    if (this.framed) this.#walk(socket, path, message, remoteAddress, remotePort, now)
    else if (message.length < LEAST_SEGMENT) counters.UdpInErrors++
    else this.#deliver(path ?? this.#stranger(socket, remoteAddress, remotePort, now), message, 0, message.length, now)
    this.owner.wantTurn()
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
    for (let at = 0; ; at = view.next) {
      const result = nextFrame(message, at, message.length, view)
      if (result === FrameResult.End) return
      if (result !== FrameResult.Frame) {
        counters.UdpInErrors++
        continue
      }
      const { kind, start, end, next } = view
      if (kind === FrameKind.Segment) {
        // A stranger costs nothing before the first frame that may be a segment.
        path ??= this.#stranger(socket, remoteAddress, remotePort, now)
        this.#deliver(path, message, start, end, now)
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

  #deliver(path: UdpPath | null, message: Buffer, start: number, end: number, now: number): void {
    if (path === null) {
      this.owner.counters.UdpInErrors++
      return
    }
    this.#announce(path)
    path.segmentArrived(message, start, end, now)
  }

  /** A path for somebody who was not heard before; it goes when the owner does not keep it. */
  #stranger(socket: UdpSocket, remoteAddress: string, remotePort: number, now: number): UdpPath | null {
    // rfc9293#3.9.2.3 MUST-63: nobody is there; an answer would reach many, or go nowhere.
    if (this.#loose.size >= MOST_LOOSE || isNobody(remoteAddress, this.local)) return null
    const path = this.#path(socket, socket.localAddress, remoteAddress, remotePort, false, now)
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
    if (path?.isOurToken(token)) path.lastHeardUs = now
    else this.owner.counters.PathProbesIgnored++
  }

  receiveFailed(socket: UdpSocket, code: ErrorCode): void {
    const path = socket.peer
    if (path === null || this.#closed) return
    if (code === 'ECONNREFUSED') path.user.refused(this.owner.nowUs())
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
    const dirty = this.#dirty
    for (let i = 0; i < dirty.length; i++) {
      const path = dirty[i]
      path.dirty = false
      if (!path.closed) path.flush(nowUs)
    }
    dirty.length = 0
    if (this.#loose.size > 0) this.#sweep()
  }

  sendFailed(_socket: UdpSocket, batch: Batch, index: number, code: ErrorCode): void {
    if (!this.#closed) batch.path?.sendFailed(batch, index, code)
  }

  batchDone(_socket: UdpSocket, batch: Batch): void {
    this.owner.counters.UdpOutDatagrams += batch.count - batch.failed
    this.pool.put(batch)
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
      if (path.impairment !== null && !path.impairment.isEmpty) this.pathDelayed(path)
      path.mtuChanged()
    }
    this.owner.wantTurn()
  }

  // ---- time

  get deadline(): number {
    return Math.min(this.#delayedUs, this.#prober.deadline, this.#listeners.deadline)
  }

  deadlinePassed(nowUs: number): void {
    if (this.#closed) return
    if (nowUs >= this.#delayedUs) this.#releaseDelayed(nowUs)
    if (nowUs >= this.#prober.deadline) this.#prober.look(nowUs)
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
    this.#connected.delete(path)
    if (path.key !== null) this.#opened.delete(path.key)
    path.close()
    if (socket.peer === path) {
      socket.peer = null
      socket.close()
    } else {
      socket.paths.remove(path)
      this.closeIfUnused(socket)
    }
  }

  closeIfUnused(socket: UdpSocket): void {
    // What dgram still has to send would be thrown away.
    if (socket.closed || socket.listened || socket.paths.size > 0 || socket.waiting > 0) return
    if (socket.hearsStrangers) {
      this.#listeners.unused(socket)
      return
    }
    socket.close()
    if (this.#shared.get(socket.family) === socket) this.#shared.delete(socket.family)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const path of this.#paths()) path.close()
    for (const socket of this.#sockets()) socket.close()
    this.#listeners.clear()
    this.#opened.clear()
    this.#connected.clear()
    this.#shared.clear()
    this.#loose.clear()
    this.#delayed.clear()
    this.#dirty = []
    this.#delayedUs = Infinity
    this.#prober.clear()
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
    yield* this.#shared.values()
    for (const path of this.#connected) yield path.socket
  }
}
