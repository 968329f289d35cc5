import { describe, expect, it } from 'vitest'
import { Mib, mibGroups } from '../../../src/stack/mib.ts'

/** The order in which a kernel prints them (`/proc/net/snmp`, `/proc/net/netstat`), as far as we count the same. */
const kernelTcp =
  'ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors'
const kernelTcpExt = `SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned
  OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab DelayedACKs DelayedACKLocked
  DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery
  TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo
  TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans TCPTimeouts
  TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail TCPRcvCollapsed TCPBacklogCoalesce
  TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory
  TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard
  TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure
  TCPSackShifted TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop
  IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce
  TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive TCPFastOpenActiveFail
  TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole
  TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv
  TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect
  TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2
  TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered
  TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TCPFastOpenPassiveAltKey
  TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious`

describe('Mib', () => {
  it("groups its counters by the kernel's names, in the kernel's order", () => {
    const order = (names: string) => names.split(/\s+/).filter((name) => Object.hasOwn(new Mib(), name))
    expect(mibGroups.Tcp).toEqual(kernelTcp.split(' '))
    expect(mibGroups.TcpExt).toEqual(order(kernelTcpExt))
    expect(mibGroups.Sluice).toContain('UdpInDatagrams')
    expect([...mibGroups.Tcp, ...mibGroups.TcpExt, ...mibGroups.Sluice]).toEqual(Object.keys(new Mib()))
  })

  it('counts from zero in plain fields', () => {
    const mib = new Mib()
    expect(new Set(Object.values(mib.toObject()))).toEqual(new Set([0]))
    mib.TCPTimeouts += 3
    mib.CurrEstab++
    mib.UdpInErrors++
    expect(mib.toObject()).toEqual({ ...new Mib().toObject(), TCPTimeouts: 3, CurrEstab: 1, UdpInErrors: 1 })
    expect(mib.toGroups().TcpExt.TCPTimeouts).toBe(3)
    expect(mib.toGroups().Tcp.CurrEstab).toBe(1)
    expect(mib.toGroups().Sluice.UdpInErrors).toBe(1)
  })

  it('hands out a copy', () => {
    const mib = new Mib()
    const before = mib.toObject()
    mib.InSegs++
    expect(before.InSegs).toBe(0)
    expect(new Mib().InSegs).toBe(0)
  })
})
