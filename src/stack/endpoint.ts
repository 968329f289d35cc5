import { CloseReason, type Connection, Event, isSynchronized, pathChanged, type TcpInfo } from '../tcp/index.ts'
import type { Path } from '../tunnel/index.ts'
import type { PathFlows } from './flows.ts'
import type { Listener } from './listener.ts'
import type { WheelItem } from './wheel.ts'

/** Bytes that reading gives back without the stack's books being brought up to date. */
const NOTEWORTHY = 65_536

/**
 * Hears of what happens to an endpoint. Called from the turn only, when the connection is consistent, never from inside one of the endpoint's
 * methods: any of them may be called from here.
 */
export interface EndpointOwner {
  connected(): void
  /** Data waits: take it with `read()`. */
  readable(): void
  /** The peer's FIN has come, after all data that `readable()` told of. */
  peerFinished(): void
  /** A write that was taken in part, or not at all, may go on. */
  writable(): void
  /** The connection is gone, and everything it brought has been read; nothing follows. */
  closed(reason: CloseReason): void
}

/** What an endpoint needs from its stack. */
export interface EndpointHost {
  nowUs(): number
  /** Something changed: dispatch events, pull segments, look at the deadline, in the next turn. */
  ready(endpoint: Endpoint): void
  /** The application has let go of it: it may be one too many (`tcp_max_orphans`). */
  orphaned(endpoint: Endpoint, now: number): void
  /** The number of endpoints that hold the event loop open went up or down by one. */
  held(by: 1 | -1): void
  /** Under pressure its books are to be kept to the byte (`tcp_mem`). */
  readonly memory: { readonly pressure: boolean }
  /** Seconds. */
  readonly sysctl: { readonly exit_linger: number }
}

/**
 * Seconds that a closed socket waits for the peer's FIN before it lets the process end: nobody would answer that FIN afterwards, and a peer whose
 * path to us does not hear of closed ports would repeat it for minutes.
 */
const FIN_LINGER = 1

/** A connection, the path under it and the owner above it: what `net` calls a handle. */
export class Endpoint implements WheelItem {
  readonly connection: Connection
  path: Path
  readonly #host: EndpointHost
  /** Whom to tell; null before a listener's owner took it, and after the application let go. */
  owner: EndpointOwner | null
  /** Set while it waits to be accepted. */
  listener: Listener | null = null
  /** Bytes that the stack's books hold for it. */
  accounted = 0
  /** Accepted before its handshake was done (Fast Open), and it is not yet: by whom. */
  earlyAt: Listener | null = null
  /** Among the stack's orphans (`tcp_max_orphans`). */
  countsAsOrphan = false
  /** In the list of those that the next turn looks at. */
  isReady = false
  /** Its owner hears in another turn of what came, which is acknowledged then. */
  postponed = false
  /** Among those of its path that have something under way. */
  outstanding = false
  /** Bytes of its path's receive buffer at the far end that what it has under way takes, on loopback; and whether it waits for room there. */
  underWay = 0
  awaitsRoom = false
  /** Taken out of the stack: only what was received can still be read. */
  detached = false

  wheelPrev: WheelItem | null = null
  wheelNext: WheelItem | null = null
  wheelSlot = -1
  wheelAt = 0

  #wantsRef = true
  #waiting = true
  #holding = false
  /** When what is unacknowledged stops holding the event loop for a socket that nobody waits for, µs; null: not in question. */
  #lingerUntil: number | null = null
  #lingered = false
  #finLingers = false
  /** `closed` is owed, once everything has been read. */
  #closedOwed = false
  /** What the connection told of and the owner was not told of yet. */
  #events = 0

  constructor(host: EndpointHost, connection: Connection, path: Path, owner: EndpointOwner | null) {
    this.#host = host
    this.connection = connection
    this.path = path
    this.owner = owner
  }

  get localAddress(): string {
    return this.path.localAddress
  }
  get localPort(): number {
    return this.connection.localPort
  }
  get remoteAddress(): string {
    return this.path.remoteAddress
  }
  get remotePort(): number {
    return this.connection.remotePort
  }
  get family(): 'IPv4' | 'IPv6' {
    return this.path.family
  }

  /** Its peer is to be reached by another path now: behind the same address as before, or elsewhere. */
  moveTo(path: Path, now: number): void {
    const elsewhere = path.remoteAddress !== this.path.remoteAddress
    this.path = path
    this.connection.receiver.window.pathLimit = (path.user as PathFlows).receiveLimit
    pathChanged(this.connection, path.maxSegment, elsewhere, now)
  }

  // ---- The application's calls ---------------------------------------------------------------------------------------------------

  /** Copies as much of `chunk` as there is room for and returns how much; less than all: `writable()` follows. */
  write(chunk: Buffer): number {
    const count = this.connection.write(chunk)
    if (count > 0) this.#host.ready(this)
    return count
  }

  /** The next data received, the caller's to keep; null: none now. */
  read(): Buffer | null {
    const data = this.connection.read(this.#host.nowUs())
    if (data === null) return null
    const freed = this.accounted - this.connection.memory
    const noteworthy = freed >= NOTEWORTHY || (freed > 0 && this.#host.memory.pressure)
    if (this.connection.ackPolicy.now || this.#closedOwed || noteworthy) this.#host.ready(this)
    return data
  }

  /** FIN after what was written. */
  end(): void {
    this.connection.end(this.#host.nowUs())
    this.#host.ready(this)
  }

  /** The application lets go: what was written still goes out, unread data makes it a reset. No callbacks from here on. */
  close(): void {
    if (this.connection.orphan) return
    if (this.linger === 0) {
      this.abort()
      return
    }
    this.owner = null
    const now = this.#host.nowUs()
    this.connection.close(now)
    this.connection.orphan = true
    this.#host.orphaned(this, now)
    this.#host.ready(this)
  }

  /** RST at once. No callbacks from here on. */
  abort(): void {
    this.owner = null
    this.connection.abort(this.#host.nowUs())
    this.connection.orphan = true
    this.#host.ready(this)
  }

  /** Whether the endpoint keeps the process alive. */
  ref(): void {
    this.#wantsRef = true
    this.updateHold()
  }

  unref(): void {
    this.#wantsRef = false
    this.updateHold()
  }

  hasRef(): boolean {
    return this.#wantsRef
  }

  /** Whether anybody waits for what it may bring: a connection that nobody reads or writes does not keep the process alive. */
  setWaiting(on: boolean): void {
    this.#waiting = on
    this.updateHold()
  }

  setNoDelay(on: boolean): void {
    this.connection.sender.noDelay = on
    this.#host.ready(this)
  }

  setKeepAlive(on: boolean, timeMs = 0, intervalMs = 0, count = 0): void {
    this.connection.setKeepalive(on, this.#host.nowUs(), timeMs / 1000, intervalMs / 1000, count)
    this.#host.ready(this)
  }

  /** Bytes written and not acknowledged. */
  get unsent(): number {
    return this.connection.sender.queue.length
  }

  /** Seconds, as SO_LINGER: −1 off; 0 makes `close` a reset; more is how long a closed socket waits for its data to be acknowledged. */
  linger = -1

  /** Milliseconds that data may stay unacknowledged before the connection ends, as TCP_USER_TIMEOUT; 0 leaves it to `tcp_retries2`. */
  get userTimeout(): number {
    return this.connection.userTimeoutMs
  }

  set userTimeout(ms: number) {
    this.connection.userTimeoutMs = ms
    this.#host.ready(this)
  }

  /** Its name: what it was chosen by. */
  get congestionControl(): string {
    return this.connection.congestionControl
  }

  setCongestionControl(name: string, options: Readonly<Record<string, unknown>> = {}): void {
    this.connection.setCongestionControl(name, options, this.#host.nowUs())
    this.#host.ready(this)
  }

  /** Bytes a second that sending never exceeds, as SO_MAX_PACING_RATE; `Infinity`: no limit. */
  get maxPacingRate(): number {
    return this.connection.maxPacingRate
  }

  set maxPacingRate(rate: number) {
    this.connection.maxPacingRate = rate
    this.#host.ready(this)
  }

  /** Holds back what does not fill a segment, for 200 ms at most, until `uncork`. */
  cork(): void {
    this.connection.sender.cork = true
  }

  uncork(): void {
    this.connection.sender.cork = false
    this.#host.ready(this)
  }

  /** SHUT_RD: what comes from here on is acknowledged and thrown away, and what waits to be read. */
  shutdownRead(): void {
    this.connection.shutdownRead()
    this.#host.ready(this)
  }

  get bytesReceived(): number {
    return this.connection.receiver.bytesReceived
  }

  info(): TcpInfo {
    return this.connection.info(this.#host.nowUs())
  }

  // ---- The stack's calls ---------------------------------------------------------------------------------------------------------

  /** For the wheel. */
  get deadline(): number {
    const { deadline } = this.connection
    return this.#lingerUntil === null ? deadline : Math.min(deadline, this.#lingerUntil)
  }

  deadlinePassed(now: number): void {
    if (this.#lingerUntil !== null && now >= this.#lingerUntil) {
      this.#lingerUntil = null
      this.#lingered = true
    }
    const { connection } = this
    const { retransmits } = connection.recovery
    connection.deadlinePassed(now)
    // rfc8899#4.3: what made the connection suspect the path (`tcp_retries1`) is the path's affair too.
    const { retransmits: after } = connection.recovery
    if (after !== retransmits && after === connection.host.sysctl.tcp_retries1) this.path.blackHole()
  }

  /** Tells the owner what has happened. User code runs in here. */
  dispatch(): void {
    const { connection, path, listener } = this
    // What is longer than the connection's segments may be more than the way, or the peer's end of it, takes (rfc4821#7.6).
    if (isSynchronized(connection.state)) {
      const longest = Math.min(connection.maxSegment, connection.largestSegment)
      if (longest < path.maxSegment) path.packAtMost(longest)
    }
    // Nobody has it yet: what happens meanwhile is told when it is accepted, as a kernel's socket has it ready.
    if (listener !== null && !listener.deliver(this)) return
    this.#events |= connection.takeEvents()
    // Who accepts a connection knows that it is one.
    if (this.#take(Event.Connected) && !connection.passive) this.owner?.connected()
    if (this.#take(Event.Readable)) this.owner?.readable()
    if (this.#take(Event.PeerFinished)) this.owner?.peerFinished()
    if (this.#take(Event.Writable)) this.owner?.writable()
    if (this.#take(Event.Closed)) this.#closedOwed = true
    // A clean end waits until everything has been read; what was cut off is told at once.
    if (this.#closedOwed && (connection.unread === 0 || connection.closeReason !== CloseReason.Normal)) {
      this.#closedOwed = false
      const { owner } = this
      this.owner = null
      owner?.closed(connection.closeReason)
    }
  }

  /** Takes an event before it is told: where user code throws, the others are told in the next turn. */
  #take(event: number): boolean {
    const is = (this.#events & event) !== 0
    this.#events &= ~event
    return is
  }

  /** Adjusts the hold on the event loop to the state of things. */
  updateHold(): void {
    const { connection } = this
    let hold = this.#wantsRef && !this.detached && this.listener === null
    if (hold && (!this.#waiting || connection.orphan)) {
      // ours: nobody waits for it, but a kernel would deliver what it owes after the process has gone; we have to stay, for a while.
      const { owes, awaitsFin } = connection
      hold = (owes || (connection.orphan && awaitsFin)) && !this.#lingered
      if (!hold) this.#lingerUntil = null
      else {
        const seconds = this.linger > 0 ? this.linger : this.#host.sysctl.exit_linger
        const until = this.#host.nowUs() + (owes ? seconds : Math.min(seconds, FIN_LINGER)) * 1_000_000
        // What it owes is paid: for the peer's FIN alone it does not stay as long.
        if (this.#lingerUntil === null || (!owes && !this.#finLingers)) {
          this.#lingerUntil = this.#lingerUntil === null ? until : Math.min(this.#lingerUntil, until)
          this.#finLingers = !owes
          this.#host.ready(this)
        }
      }
    } else {
      this.#lingerUntil = null
      this.#lingered = false
    }
    if (hold === this.#holding) return
    this.#holding = hold
    this.#host.held(hold ? 1 : -1)
  }
}
