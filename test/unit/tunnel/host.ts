import { Mib } from '../../../src/stack/mib.ts'
import type {
  OpenRequest,
  Path,
  PathUser,
  TunnelOwner,
  TunnelSettings,
  UdpListener,
} from '../../../src/tunnel/index.ts'
import { UdpTunnel, type UdpTunnelOptions } from '../../../src/tunnel/index.ts'

/** What arrived at a path's user, in order. */
export interface Heard {
  path: Path
  segments: Buffer[]
  /** Names of the other calls. */
  calls: string[]
}

/** A minimal owner of a tunnel: keeps what arrives, and leaves every decision to the test. */
export class TestHost implements TunnelOwner {
  readonly tunnel: UdpTunnel
  readonly settings = {
    path_keepalive: 20,
    tcp_probe_interval: 600,
    max_paths: 1000,
    tcp_limit_output_bytes: 4 << 20,
    ip_default_ttl: 64,
    tcp_rmem: [4096, 131_072, 6 << 20] as [number, number, number],
  } satisfies TunnelSettings
  readonly counters = new Mib()
  readonly heard: Heard[] = []
  turns = 0
  /** Microseconds; null: the real time. */
  virtualUs: number | null = null
  /** Called on each turn that the tunnel wants. */
  onTurn: () => void = () => {}
  /** Called for each segment, after it was noted. */
  onSegment: (path: Path, segment: Buffer) => void = () => {}
  /** Keeps every path that opens. */
  keep = true
  #tokens = 1n

  constructor(options: Partial<Omit<UdpTunnelOptions, 'owner'>> = {}) {
    this.tunnel = new UdpTunnel({ owner: this, encapsulation: 'framed', mtu: 'auto', seed: 1, ...options })
  }

  nowUs(): number {
    return this.virtualUs ?? Math.floor(performance.now() * 1000)
  }

  randomToken(): bigint {
    return this.#tokens++
  }

  wantTurn(): void {
    this.turns++
    this.onTurn()
  }

  pathOpened(path: Path): PathUser {
    const heard: Heard = { path, segments: [], calls: [] }
    this.heard.push(heard)
    if (this.keep) path.retain()
    return {
      segmentArrives: (buffer, start, end) => {
        const segment = Buffer.from(buffer.subarray(start, end))
        heard.segments.push(segment)
        this.onSegment(path, segment)
      },
      refused: () => heard.calls.push('refused'),
      unreachable: (code) => heard.calls.push(code),
      writable: () => heard.calls.push('writable'),
      maxSegmentChanged: () => heard.calls.push(`maxSegment ${path.maxSegment}`),
      reclaim: () => heard.calls.push('reclaim'),
    }
  }

  listen(address: string | undefined, port = 0, ipv6Only = false): UdpListener {
    const listener = this.tunnel.listen({ address, port, ipv6Only, reusePort: false })
    if (typeof listener === 'string') throw new Error(`listen: ${listener}`)
    return listener
  }

  open(remoteAddress: string, remotePort: number, more: Partial<OpenRequest> = {}): Path {
    const path = this.tunnel.open({ remoteAddress, remotePort, localAddress: undefined, localPort: 0, ...more })
    if (typeof path === 'string') throw new Error(`open: ${path}`)
    return path
  }

  /** Writes segments to a path, and nothing leaves before `flush`. */
  write(path: Path, ...segments: (Buffer | string)[]): void {
    for (const segment of segments) {
      const bytes = Buffer.from(segment)
      if (!path.reserve(bytes.length)) throw new Error('the path is full')
      bytes.copy(path.buffer, path.offset)
      path.commit(bytes.length)
    }
  }

  flush(): void {
    this.tunnel.flush(this.nowUs())
  }

  send(path: Path, ...segments: (Buffer | string)[]): void {
    this.write(path, ...segments)
    this.flush()
  }

  /** Everything heard on all paths, as text. */
  get texts(): string[] {
    return this.heard.flatMap(({ segments }) => segments.map(String))
  }
}

/** Waits for a condition by the event loop's turns; the test's own limit is the time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Lets the event loop go round, so that what was to come has come. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
