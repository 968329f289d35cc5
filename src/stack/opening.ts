import { Connection, type ConnectionOptions, FastOpen, type TcpHost } from '../tcp/index.ts'
import type { ErrorCode, Path, UdpTunnel } from '../tunnel/index.ts'
import type { Seq } from '../wire/index.ts'
import { Endpoint, type EndpointHost, type EndpointOwner } from './endpoint.ts'
import type { FastOpenCache } from './fast-open.ts'
import { flowKey, type PathFlows } from './flows.ts'
import type { Metrics } from './metrics.ts'
import type { ConnectRequest, StackOptions } from './options.ts'
import { type EphemeralPorts, looksLikeShim } from './ports.ts'
import { hostWith, type OwnParameters } from './settings.ts'
import type { SynQueue } from './syn-queue.ts'
import type { SysctlValues } from './sysctl-table.ts'
import { afterlife, type TimeWaitTable } from './time-wait.ts'

export interface OpeningHost extends EndpointHost {
  readonly sysctl: SysctlValues
  readonly options: StackOptions
  readonly bare: boolean
  readonly offload: boolean
  readonly tcp: TcpHost
  readonly tunnel: UdpTunnel
  readonly timeWait: TimeWaitTable
  readonly synQueue: SynQueue
  readonly ephemeral: EphemeralPorts
  readonly metrics: Metrics
  readonly fastOpenCache: FastOpenCache
  isn(localAddress: string, localPort: number, remoteAddress: string, remotePort: number, nowUs: number): Seq
  timestampOffset(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): Seq
  /** Somebody listens at this TCP port. */
  isListening(port: number): boolean
}

/** What one side says of a connection of its own. */
export type ConnectionSettings = OwnParameters &
  Pick<
    ConnectRequest,
    | 'noDelay'
    | 'congestionControl'
    | 'congestionOptions'
    | 'maxPacingRate'
    | 'sndbuf'
    | 'rcvbuf'
    | 'mss'
    | 'notsentLowat'
  >

/** Makes connections: those that we open, with a path and a port of their own, and for others those that come to a listener. */
export class Opening {
  readonly #host: OpeningHost
  #nextId = 1

  constructor(host: OpeningHost) {
    this.#host = host
  }

  /** rfc9293#3.9.1.1; the code of the failed system call where it cannot. */
  connect(request: ConnectRequest, owner: EndpointOwner): Endpoint | ErrorCode {
    const { options, sysctl, timeWait, fastOpenCache } = this.#host
    const { tunnel } = options
    const throughTunnel = tunnel !== undefined || request.tunnelPort !== undefined
    const udpPort = request.tunnelPort ?? (tunnel === undefined ? request.port : (tunnel.peerPort ?? tunnel.port))
    const path = this.#openPath(request, udpPort, throughTunnel)
    if (typeof path === 'string') return path
    const flows = path.user as PathFlows
    const now = this.#host.nowUs()
    const localPort = this.#localPort(flows, path, request, throughTunnel, now)
    if (typeof localPort === 'string') return localPort
    const key = flowKey(localPort, request.port)
    // After one in TIME_WAIT: beyond its numbers.
    const before = timeWait.find(flows, key)
    const iss = before === undefined ? null : afterlife(before)
    const connection = this.make(path, localPort, request.port, request, now, iss)
    const endpoint = new Endpoint(this.#host, connection, path, owner)
    flows.set(key, endpoint)
    // Not before: it may be what holds the path.
    if (before !== undefined) timeWait.recycle(before)
    if (request.fastOpen === true && (sysctl.tcp_fastopen & 1) !== 0) {
      const known = fastOpenCache.forSyn(path.remoteAddress, now)
      if (known !== null) connection.fastOpen = new FastOpen(known.cookie, known.mss)
    }
    connection.openActive(now)
    endpoint.updateHold()
    this.#host.ready(endpoint)
    return endpoint
  }

  /** A connection in CLOSED. `iss`: the number to begin with; null for one of its own. */
  make(
    path: Path,
    localPort: number,
    remotePort: number,
    settings: ConnectionSettings,
    now: number,
    iss: Seq | null,
  ): Connection {
    const { tcp, offload, metrics, bare } = this.#host
    const { localAddress, remoteAddress } = path
    const options: ConnectionOptions = {
      id: this.#nextId++,
      family: path.family,
      localPort,
      remotePort,
      iss: iss ?? this.#host.isn(localAddress, localPort, remoteAddress, remotePort, now),
      tsOffset: this.#host.timestampOffset(localAddress, localPort, remoteAddress, remotePort),
      maxSegment: path.maxSegment,
      mostSegment: path.mostSegment,
      receiveLimit: (path.user as PathFlows).receiveLimit,
      checksumOffload: offload,
      // The bare segment has nowhere to keep the bits.
      ecn: !bare,
      noDelay: settings.noDelay,
      congestionControl: settings.congestionControl,
      congestionOptions: settings.congestionOptions,
      sndbuf: settings.sndbuf,
      rcvbuf: settings.rcvbuf,
      mss: settings.mss,
      notsentLowat: settings.notsentLowat,
      maxPacingRate: settings.maxPacingRate,
    }
    const connection = new Connection(hostWith(tcp, settings), options, now)
    connection.userTimeoutMs = settings.userTimeout ?? 0
    connection.finTimeout = settings.finTimeout ?? null
    metrics.apply(remoteAddress, connection)
    return connection
  }

  #openPath(request: ConnectRequest, udpPort: number, throughTunnel: boolean): Path | ErrorCode {
    const { tunnel, ephemeral, sysctl, bare } = this.#host
    const { address, port, localAddress, localPort } = request
    return tunnel.open({
      remoteAddress: address,
      remotePort: udpPort,
      localAddress,
      localPort: throughTunnel ? 0 : (localPort ?? 0),
      choosePort: throughTunnel
        ? undefined
        : (isFree) =>
            ephemeral.pick(
              localAddress ?? '',
              address,
              port,
              sysctl.ip_local_port_range,
              (candidate) => (bare && looksLikeShim(candidate)) || !isFree(candidate),
            ),
    })
  }

  #localPort(
    flows: PathFlows,
    path: Path,
    { address, port, localPort = 0 }: ConnectRequest,
    throughTunnel: boolean,
    now: number,
  ): number | ErrorCode {
    const { bare, timeWait, synQueue, ephemeral, sysctl } = this.#host
    const isInUse = (candidate: number): boolean => {
      const key = flowKey(candidate, port)
      if (flows.get(key) !== undefined || synQueue.find(flows, key) !== undefined) return true
      const entry = timeWait.find(flows, key)
      return entry !== undefined && !timeWait.isReusable(entry, path.loopback, now)
    }
    const isTaken = (candidate: number): boolean => {
      if (isInUse(candidate)) return true
      return (throughTunnel && this.#host.isListening(candidate)) || (bare && looksLikeShim(candidate))
    }
    if (localPort !== 0) {
      // linux: bind takes the port, connect finds the tuple taken.
      return isInUse(localPort) ? 'EADDRNOTAVAIL' : localPort
    }
    // ours: the first connection of a path has the path's UDP port for its own, so that firewalls and logs show one number.
    if (!throughTunnel && !isTaken(path.localPort)) return path.localPort
    return ephemeral.pick(path.localAddress, address, port, sysctl.ip_local_port_range, isTaken) ?? 'EADDRNOTAVAIL'
  }
}
