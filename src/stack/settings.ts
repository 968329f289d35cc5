import type { TcpHost, TcpSysctl } from '../tcp/index.ts'

/** What one connection, or all that come to a listener, may have of its own in place of the stack's parameters. */
export interface OwnParameters {
  /** SYN retransmissions, as TCP_SYNCNT; default: `tcp_syn_retries`. */
  synRetries?: number | undefined
  /** Milliseconds, least of the variance term of the retransmission timeout, as TCP_RTO_MIN_US; default: `tcp_rto_min_us`. */
  rtoMin?: number | undefined
  /** Milliseconds, longest retransmission timeout, as TCP_RTO_MAX_MS; default: `tcp_rto_max_ms`. */
  rtoMax?: number | undefined
  /** As TCP_THIN_LINEAR_TIMEOUTS; default: `tcp_thin_linear_timeouts`. */
  thinLinearTimeouts?: boolean | undefined
  /** Milliseconds that data may stay unacknowledged, as TCP_USER_TIMEOUT; 0 follows `tcp_retries2`. */
  userTimeout?: number | undefined
  /**
   * Seconds that a closed socket waits in FIN_WAIT_2, as TCP_LINGER2; below 0: not at all, the connection is reset. Default: `tcp_fin_timeout`.
   */
  finTimeout?: number | undefined
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** A host whose parameters are those of `host`, now and later, but for what the connection has of its own. */
export function hostWith(host: TcpHost, own: OwnParameters): TcpHost {
  const { synRetries, rtoMin, rtoMax, thinLinearTimeouts } = own
  if (synRetries === undefined && rtoMin === undefined && rtoMax === undefined && thinLinearTimeouts === undefined)
    return host
  const sysctl: Writable<TcpSysctl> = Object.create(host.sysctl)
  const set = (name: keyof TcpSysctl, value: number | undefined): void => {
    if (value !== undefined) Object.defineProperty(sysctl, name, { value, enumerable: true })
  }
  set('tcp_syn_retries', synRetries)
  set('tcp_rto_min_us', rtoMin === undefined ? undefined : Math.max(1, Math.round(rtoMin * 1000)))
  set('tcp_rto_max_ms', rtoMax)
  set('tcp_thin_linear_timeouts', thinLinearTimeouts === undefined ? undefined : Number(thinLinearTimeouts))
  return Object.create(host, { sysctl: { value: sysctl, enumerable: true } })
}
