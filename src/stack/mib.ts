import type { TcpMib } from '../tcp/index.ts'
import type { TunnelCounters } from '../tunnel/index.ts'

/**
 * The counters of a host, by the kernel's names (`/proc/net/snmp`, `/proc/net/netstat`) and in the kernel's order, then our own.
 * They are bumped where things happen, as plain fields. What the kernel prints in the same place but never counts
 * (`RtoAlgorithm`, `RtoMin`, `RtoMax`, `MaxConn`) is not here.
 */
export class Mib implements TcpMib, TunnelCounters {
  // Tcp
  ActiveOpens = 0
  PassiveOpens = 0
  AttemptFails = 0
  EstabResets = 0
  /** A gauge: connections in ESTABLISHED or CLOSE_WAIT now. */
  CurrEstab = 0
  InSegs = 0
  OutSegs = 0
  RetransSegs = 0
  InErrs = 0
  OutRsts = 0
  InCsumErrors = 0

  // TcpExt
  SyncookiesSent = 0
  SyncookiesRecv = 0
  SyncookiesFailed = 0
  EmbryonicRsts = 0
  PruneCalled = 0
  OfoPruned = 0
  /** Ended TIME_WAIT by its time. */
  TW = 0
  /** Ended TIME_WAIT by a connect that took the tuple over. */
  TWRecycled = 0
  TWKilled = 0
  PAWSActive = 0
  PAWSEstab = 0
  DelayedACKs = 0
  DelayedACKLost = 0
  /** A full accept queue; each counts among `ListenDrops` too. */
  ListenOverflows = 0
  ListenDrops = 0
  TCPPureAcks = 0
  TCPRenoRecovery = 0
  TCPSackRecovery = 0
  TCPSACKReneging = 0
  TCPSACKReorder = 0
  TCPRenoReorder = 0
  TCPTSReorder = 0
  TCPFullUndo = 0
  TCPPartialUndo = 0
  TCPDSACKUndo = 0
  TCPLossUndo = 0
  TCPLostRetransmit = 0
  TCPRenoFailures = 0
  TCPSackFailures = 0
  TCPLossFailures = 0
  TCPFastRetrans = 0
  TCPSlowStartRetrans = 0
  TCPTimeouts = 0
  TCPLossProbes = 0
  TCPLossProbeRecovery = 0
  TCPRenoRecoveryFail = 0
  TCPSackRecoveryFail = 0
  TCPDSACKOldSent = 0
  TCPDSACKOfoSent = 0
  TCPDSACKRecv = 0
  TCPDSACKOfoRecv = 0
  TCPAbortOnData = 0
  TCPAbortOnClose = 0
  TCPAbortOnMemory = 0
  TCPAbortOnTimeout = 0
  TCPAbortOnLinger = 0
  TCPMemoryPressures = 0
  TCPDSACKIgnoredNoUndo = 0
  TCPSpuriousRTOs = 0
  TCPDeferAcceptDrop = 0
  TCPTimeWaitOverflow = 0
  TCPReqQFullDoCookies = 0
  TCPReqQFullDrop = 0
  TCPRetransFail = 0
  TCPRcvCoalesce = 0
  TCPOFOQueue = 0
  TCPOFODrop = 0
  TCPOFOMerge = 0
  TCPChallengeACK = 0
  TCPSYNChallenge = 0
  TCPFastOpenActive = 0
  TCPFastOpenActiveFail = 0
  TCPFastOpenPassive = 0
  TCPFastOpenPassiveFail = 0
  TCPFastOpenListenOverflow = 0
  TCPFastOpenCookieReqd = 0
  /** Datagrams that were read past the event loop (`busy_poll`). */
  BusyPollRxPackets = 0
  TCPAutoCorking = 0
  TCPFromZeroWindowAdv = 0
  TCPToZeroWindowAdv = 0
  TCPWantZeroWindowAdv = 0
  TCPSynRetrans = 0
  TCPOrigDataSent = 0
  /** Slow start that a train of ACKs ended, and the sum of the windows then, segments. */
  TCPHystartTrainDetect = 0
  TCPHystartTrainCwnd = 0
  /** The same, by a rise of the round-trip time; under HyStart++ when the rounds of caution are over. */
  TCPHystartDelayDetect = 0
  TCPHystartDelayCwnd = 0
  TCPACKSkippedSynRecv = 0
  TCPACKSkippedPAWS = 0
  TCPACKSkippedSeq = 0
  TCPACKSkippedFinWait2 = 0
  TCPACKSkippedTimeWait = 0
  TCPACKSkippedChallenge = 0
  TCPWinProbe = 0
  TCPKeepAlive = 0
  TCPMTUPFail = 0
  TCPMTUPSuccess = 0
  TCPDelivered = 0
  TCPDeliveredCE = 0
  TCPZeroWindowDrop = 0
  TCPRcvQDrop = 0
  TCPFastOpenPassiveAltKey = 0
  TCPDSACKRecvSegs = 0

  // Sluice
  UdpInDatagrams = 0
  UdpOutDatagrams = 0
  UdpInErrors = 0
  UdpSndbufErrors = 0
  UdpRcvbufErrors = 0
  UdpGsoSends = 0
  UdpGroReads = 0
  UdpGsoFailures = 0
  /** Congestion controllers that failed and were replaced by Reno. */
  CongestionControlFaults = 0
  PathProbesSent = 0
  PathProbesAnswered = 0
  PathProbesIgnored = 0
  /** Datagrams that the system refused as too large for the link, or for what it heard of the way. */
  UdpTooLarge = 0
  /** Probes of a path's size, and how often that grew and shrank (`mtu: 'probe'`). */
  PathMtuProbesSent = 0
  PathMtuRaised = 0
  PathMtuLowered = 0
  /** Ways from which a connection's peer seemed to be heard (a NAT forgot its mapping), and that were asked; and what came from others in vain. */
  PathCandidates = 0
  PathCandidatesIgnored = 0
  /** Connections that went on by another way. */
  PathMoves = 0

  /** All counters in one plain object, `{ TCPTimeouts: 3, … }`, in the order above. */
  toObject(): Record<CounterName, number> {
    return { ...this }
  }

  /** The counters by the group that `netstat -s` and `nstat` print them under. */
  toGroups(): Record<MibGroup, Record<string, number>> {
    const groups: Record<MibGroup, Record<string, number>> = { Tcp: {}, TcpExt: {}, Sluice: {} }
    for (const [group, names] of Object.entries(mibGroups) as [MibGroup, CounterName[]][]) {
      for (const name of names) groups[group][name] = this[name]
    }
    return groups
  }
}

export type CounterName = { [Key in keyof Mib]: Mib[Key] extends number ? Key : never }[keyof Mib]
export type MibGroup = 'Tcp' | 'TcpExt' | 'Sluice'

/** The names of each group, in order: the fields of {@link Mib}, cut where a group's first stands. */
export const mibGroups: Readonly<Record<MibGroup, readonly CounterName[]>> = cut(
  new Mib(),
  'SyncookiesSent',
  'UdpInDatagrams',
)

function cut(mib: Mib, tcpExt: CounterName, sluice: CounterName): Record<MibGroup, CounterName[]> {
  const names = Object.keys(mib) as CounterName[]
  const [a, b] = [names.indexOf(tcpExt), names.indexOf(sluice)]
  return { Tcp: names.slice(0, a), TcpExt: names.slice(a, b), Sluice: names.slice(b) }
}
