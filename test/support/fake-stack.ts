import {
  CloseReason,
  type ConnectRequest,
  type Endpoint,
  type EndpointOwner,
  type ErrorCode,
  type Listener,
  type ListenerOwner,
  type ListenOptions,
  type Stack,
  type TcpInfo,
} from '../../src/stack/index.ts'

// What `net` sees of a stack, without a network: the two endpoints of a connection lie back to back. What happens is told to the
// owners in turns, as the real one does: a turn is one `setImmediate`, in which all that waited when it began is told in order,
// and nothing is ever told from inside an endpoint's method.

interface FakeListener {
  readonly address: string
  readonly port: number
  readonly owner: ListenerOwner
  closed: boolean
  held: boolean
}

/** Bytes that wait at most between a writer and its reader. */
const CAPACITY = 65_536
/** Pieces in which data is read. */
const PIECE = 65_536

export class FakeStack {
  /** Addresses that never answer. */
  readonly silent = new Set<string>()
  /** What the connect to an address meets, in a later turn. */
  readonly failures = new Map<string, CloseReason>()
  readonly endpoints = new Set<FakeEndpoint>()
  /** What a stack was made with. */
  readonly setup = {}
  /** What it tells comes from the event loop. */
  readonly isInTurn = true
  #listeners = new Set<FakeListener>()
  #nextPort = 40_000
  #waiting: (() => void)[] = []

  afterTurn(run: () => void): void {
    setImmediate(run)
  }

  /** As the real one, for those who ask for it by its type. */
  get asStack(): Stack {
    return this as unknown as Stack
  }

  /** Whether anything here would keep a process alive. */
  get holds(): boolean {
    for (const listener of this.#listeners) if (listener.held) return true
    for (const endpoint of this.endpoints) if (endpoint.holds) return true
    return false
  }

  listen({ address = '::', port, ipv6Only }: ListenOptions, owner: ListenerOwner): Listener | ErrorCode {
    if (!isLocal(address)) return 'EADDRNOTAVAIL'
    if (port === 0) port = this.#nextPort++
    for (const other of this.#listeners) {
      if (other.port === port && overlap(other.address, address, ipv6Only)) return 'EADDRINUSE'
    }
    const listener: FakeListener = { address, port, owner, closed: false, held: true }
    this.#listeners.add(listener)
    return {
      address,
      port,
      family: familyOf(address),
      close: () => {
        listener.closed = true
        this.#listeners.delete(listener)
      },
      ref: () => {
        listener.held = true
      },
      unref: () => {
        listener.held = false
      },
      hasRef: () => listener.held,
    } as Listener
  }

  connect(request: ConnectRequest, owner: EndpointOwner): Endpoint | ErrorCode {
    const { port, localAddress, localPort } = request
    if (localAddress !== undefined && !isLocal(localAddress)) return 'EADDRNOTAVAIL'
    const address = request.address.replace(/^::ffff:/, '')
    const from = localAddress ?? (address.includes(':') ? '::1' : '127.0.0.1')
    for (const other of this.#listeners) {
      if (other.port === localPort && overlap(other.address, from, false)) return 'EADDRINUSE'
    }
    if (address === '255.255.255.255') return 'ENETUNREACH'
    const client = new FakeEndpoint(this, owner, from, localPort ?? this.#nextPort++, address, port)
    client.request = request
    this.endpoints.add(client)
    if (this.silent.has(address)) return client as unknown as Endpoint
    const failure = this.failures.get(address)
    this.later(() => this.#arrive(client, failure))
    return client as unknown as Endpoint
  }

  #arrive(client: FakeEndpoint, failure: CloseReason | undefined): void {
    const owner = client.owner
    if (owner === null) return
    const listener = failure === undefined ? this.#find(client.remoteAddress, client.remotePort) : undefined
    if (listener === undefined) {
      client.finish(failure ?? CloseReason.Refused)
      return
    }
    const server = new FakeEndpoint(
      this,
      null,
      client.remoteAddress,
      client.remotePort,
      client.localAddress,
      client.localPort,
    )
    client.peer = server
    server.peer = client
    this.endpoints.add(server)
    this.later(() => {
      let accepted: EndpointOwner | null = null
      try {
        if (!listener.closed) accepted = listener.owner.accepted(server as unknown as Endpoint)
      } catch (error) {
        // A stack goes on in another turn.
        accepted = server.owner
        queueMicrotask(() => {
          throw error
        })
      }
      if (accepted === null) server.abort()
      else server.adopt(accepted)
    })
    owner.connected()
  }

  #find(address: string, port: number): FakeListener | undefined {
    for (const listener of this.#listeners) {
      if (listener.port !== port) continue
      if (listener.address === address || listener.address === '::') return listener
      if (listener.address === '0.0.0.0' && !address.includes(':')) return listener
    }
    return undefined
  }

  /** Tells something in the next turn. */
  later(tell: () => void): void {
    this.#waiting.push(tell)
    if (this.#waiting.length > 1) return
    setImmediate(() => {
      const due = this.#waiting
      this.#waiting = []
      for (const tell of due) tell()
    })
  }
}

const isLocal = (address: string) =>
  address === '::' || address === '0.0.0.0' || address === '::1' || /^127\./.test(address)
const familyOf = (address: string) => (address.includes(':') ? 'IPv6' : 'IPv4')

function overlap(one: string, other: string, ipv6Only: boolean): boolean {
  if (one === other) return true
  const wild = (address: string) => address === '::' || address === '0.0.0.0'
  if (!wild(one) && !wild(other)) return false
  return familyOf(one) === familyOf(other) || ((one === '::' || other === '::') && !ipv6Only)
}

class FakeEndpoint {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly family: 'IPv4' | 'IPv6'
  readonly unsent = 0
  /** Every option that was set, in order. */
  readonly set: unknown[][] = []
  request: ConnectRequest | undefined
  owner: EndpointOwner | null
  peer: FakeEndpoint | null = null
  readonly #stack: FakeStack
  #received: Buffer[] = []
  #receivedBytes = 0
  #short = false
  #finSent = false
  #finReceived = false
  #over = false
  #released = false
  #wanted = true
  #waiting = true

  constructor(
    stack: FakeStack,
    owner: EndpointOwner | null,
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
  ) {
    this.#stack = stack
    this.owner = owner
    this.localAddress = localAddress
    this.localPort = localPort
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.family = familyOf(localAddress)
  }

  get holds(): boolean {
    return !this.#over && this.owner !== null && this.#wanted && this.#waiting
  }

  /** The listener's owner took it: hears of what came meanwhile. */
  adopt(owner: EndpointOwner): void {
    if (this.#released) return
    this.owner = owner
    if (this.#receivedBytes > 0) this.#tell((owner) => owner.readable())
    if (this.#finReceived) this.#tell((owner) => owner.peerFinished())
  }

  write(chunk: Buffer): number {
    const { peer } = this
    if (peer === null || this.#over) return 0
    const taken = Math.min(chunk.length, Math.max(0, CAPACITY - peer.#receivedBytes))
    if (taken < chunk.length) this.#short = true
    if (taken > 0) {
      const copy = Buffer.from(chunk.subarray(0, taken))
      peer.#receivedBytes += taken
      this.#stack.later(() => peer.#arrives(copy))
    }
    return taken
  }

  #arrives(data: Buffer): void {
    if (this.#over) return
    if (this.#released) {
      // Nobody will read it.
      this.abort()
      return
    }
    this.#received.push(data)
    this.owner?.readable()
  }

  read(): Buffer | null {
    const first = this.#received[0]
    if (first === undefined) return null
    const piece = first.subarray(0, PIECE)
    if (first.length > PIECE) this.#received[0] = first.subarray(PIECE)
    else this.#received.shift()
    this.#receivedBytes -= piece.length
    const { peer } = this
    if (peer === null || !peer.#short) return piece
    peer.#short = false
    peer.#tell((owner) => owner.writable())
    return piece
  }

  end(): void {
    const { peer } = this
    if (this.#finSent || this.#over || peer === null) return
    this.#finSent = true
    this.#stack.later(() => {
      peer.#finReceived = true
      peer.owner?.peerFinished()
      if (this.#finReceived) {
        this.finish(CloseReason.Normal)
        peer.finish(CloseReason.Normal)
      }
    })
  }

  close(): void {
    if (this.#released) return
    this.#released = true
    this.owner = null
    this.#stack.endpoints.delete(this)
    if (this.#over) return
    if (this.peer === null) this.#over = true
    else if (this.#received.length > 0) this.abort()
    else this.end()
  }

  abort(): void {
    this.#released = true
    this.owner = null
    this.#stack.endpoints.delete(this)
    if (this.#over) return
    this.#over = true
    const { peer } = this
    if (peer !== null) this.#stack.later(() => peer.finish(CloseReason.Reset))
  }

  /** The connection is gone. */
  finish(reason: CloseReason): void {
    if (this.#over) return
    this.#over = true
    const { owner } = this
    this.owner = null
    this.#stack.endpoints.delete(this)
    owner?.closed(reason)
  }

  #tell(tell: (owner: EndpointOwner) => void): void {
    this.#stack.later(() => {
      if (this.owner !== null && !this.#over) tell(this.owner)
    })
  }

  ref(): void {
    this.#wanted = true
  }

  unref(): void {
    this.#wanted = false
  }

  hasRef(): boolean {
    return this.#wanted
  }

  setWaiting(on: boolean): void {
    this.#waiting = on
  }

  setNoDelay(on: boolean): void {
    this.set.push(['noDelay', on])
  }

  setKeepAlive(...how: unknown[]): void {
    this.set.push(['keepAlive', ...how])
  }

  info(): TcpInfo {
    return { state: 1 } as TcpInfo
  }
}
