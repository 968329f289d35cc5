import { seqDiff } from '../wire/index.ts'
import { Chrono } from './chrono.ts'
import type { Connection } from './connection.ts'
import { currentPace } from './pacing.ts'
import { softErrorCode } from './soft-errors.ts'
import { stateName } from './state.ts'

/** linux: TCPI_OPT_*. */
const OPT_TIMESTAMPS = 1
const OPT_SACK = 2
const OPT_WSCALE = 4
const OPT_ECN = 8

/** Linux's `tcp_info` by its field names without `tcpi_`, in its units: times in µs, `last_*` in ms, windows in segments, the rest in bytes. */
export interface TcpInfo {
  state: number
  ca_state: number
  retransmits: number
  probes: number
  backoff: number
  options: number
  snd_wscale: number
  rcv_wscale: number
  rto: number
  ato: number
  snd_mss: number
  rcv_mss: number
  unacked: number
  sacked: number
  lost: number
  retrans: number
  last_data_sent: number
  last_data_recv: number
  last_ack_recv: number
  pmtu: number
  rtt: number
  rttvar: number
  /** Segments; 2147483647 before the first loss. */
  snd_ssthresh: number
  /** Segments. */
  snd_cwnd: number
  advmss: number
  reordering: number
  rcv_rtt: number
  rcv_space: number
  total_retrans: number
  bytes_acked: number
  bytes_received: number
  bytes_sent: number
  bytes_retrans: number
  segs_out: number
  segs_in: number
  data_segs_out: number
  data_segs_in: number
  notsent_bytes: number
  /** µs; 0 before the first sample. */
  min_rtt: number
  /** µs in which there was something to send; of these, held up by the peer's window, by our own send buffer. */
  busy_time: number
  rwnd_limited: number
  sndbuf_limited: number
  /** Segments delivered in all; of these, while the peer reported marks of congestion (ECN). */
  delivered: number
  delivered_ce: number
  /** Bytes a second: the last delivery rate measured, and whether the application, not the path, set it. */
  delivery_rate: number
  delivery_rate_app_limited: boolean
  /** Samples are now limited by the application, as `ss` says it. */
  app_limited: boolean
  /** Bytes a second, 0: not paced; and what SO_MAX_PACING_RATE allows, −1: all. */
  pacing_rate: number
  max_pacing_rate: number
  /** Segments that D-SACKs reported as duplicates. */
  dsack_dups: number
  /** Times that reordering was seen. */
  reord_seen: number
  /** Pieces now waiting out of order. */
  rcv_ooopack: number
  snd_wnd: number
  rcv_wnd: number
  /** Beyond Linux's record: an error met and not given up for, by its code, as SO_ERROR tells it; empty: none. */
  soft_error: string
  /** Bytes of urgent data still to be read. */
  urgent: number
  /** Beyond Linux: the state's name, and what the congestion controller has to say. */
  state_name: string
  cc: Record<string, number | string | boolean>
}

const INFINITE_SSTHRESH = 0x7fffffff

function paceOf(c: Connection): number {
  const rate = currentPace(c)
  return rate === Number.POSITIVE_INFINITY ? 0 : Math.round(rate)
}

export function tcpInfo(c: Connection, now: number): TcpInfo {
  const { sender, receiver, rtt, cc, recovery, ackPolicy } = c
  const { board, mss } = sender
  const sinceMs = (us: number): number => (us < 0 ? 0 : Math.floor((now - us) / 1000))
  return {
    state: c.state,
    ca_state: recovery.caState,
    retransmits: recovery.retransmits,
    probes: (c.persist?.probesOut ?? 0) + c.keepalive.probesOut,
    backoff: Math.max(rtt.backoff, c.persist?.backoff ?? 0),
    options:
      (c.timestamps.on ? OPT_TIMESTAMPS : 0) |
      (c.sackOk ? OPT_SACK : 0) |
      (c.windowScaling ? OPT_WSCALE : 0) |
      (c.ecn === null ? 0 : OPT_ECN),
    snd_wscale: sender.sndWindShift,
    rcv_wscale: receiver.window.shift,
    rto: c.rto,
    ato: ackPolicy.ato,
    snd_mss: mss,
    rcv_mss: receiver.rcvMss,
    unacked: board.packetsOutSegs,
    sacked: board.sackedOutSegs,
    lost: board.lostOutSegs,
    retrans: board.retransOutSegs,
    last_data_sent: sinceMs(sender.lastSentTs),
    last_data_recv: sinceMs(ackPolicy.lastDataTs),
    last_ack_recv: sinceMs(c.lastAckTs),
    pmtu: c.maxSegment + (c.family === 'IPv4' ? 20 : 40) + 8 + 4,
    rtt: Math.round(rtt.srtt),
    rttvar: Math.round(rtt.rttvar),
    snd_ssthresh: cc.ssthresh === Number.POSITIVE_INFINITY ? INFINITE_SSTHRESH : Math.floor(cc.ssthresh / mss),
    snd_cwnd: Math.floor(cc.cwnd / mss),
    advmss: c.advertisedMss,
    reordering: recovery.reordering.degree,
    rcv_rtt: Math.round(receiver.window.rcvRtt),
    rcv_space: receiver.window.capacity,
    total_retrans: sender.totalRetrans,
    bytes_acked: sender.bytesAcked + 0,
    bytes_received: receiver.bytesReceived + 0,
    bytes_sent: sender.bytesSent + sender.bytesRetrans,
    bytes_retrans: sender.bytesRetrans,
    segs_out: c.segsOut,
    segs_in: c.segsIn,
    data_segs_out: c.dataSegsOut,
    data_segs_in: c.dataSegsIn,
    notsent_bytes: sender.notSent,
    busy_time: c.chrono?.busy(now) ?? 0,
    rwnd_limited: c.chrono?.spent(Chrono.RwndLimited, now) ?? 0,
    sndbuf_limited: c.chrono?.spent(Chrono.SndbufLimited, now) ?? 0,
    delivered: sender.deliveredSegs,
    delivered_ce: c.ecn?.deliveredSegs ?? 0,
    delivery_rate: Math.round(sender.sampler.deliveryRate),
    delivery_rate_app_limited: sender.sampler.deliveryRateAppLimited,
    app_limited: sender.sampler.isAppLimited,
    pacing_rate: paceOf(c),
    max_pacing_rate: c.maxPacingRate === Number.POSITIVE_INFINITY ? -1 : c.maxPacingRate,
    dsack_dups: recovery.dsackDups,
    reord_seen: recovery.reordering.seen,
    rcv_ooopack: receiver.reassembly.count,
    min_rtt: rtt.minRtt === Number.POSITIVE_INFINITY ? 0 : rtt.minRtt,
    snd_wnd: sender.sndWnd,
    rcv_wnd: Math.max(0, seqDiff(receiver.window.rcvAcc, receiver.rcvNxt)),
    soft_error: softErrorCode(c.softError),
    urgent: c.urgent,
    state_name: stateName(c.state),
    cc: { name: cc.name, ...cc.info?.() },
  }
}
