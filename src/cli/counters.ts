import { mibGroups } from '../stack/index.ts'

/** How net-tools' netstat(8) words what it knows, by the kernel's names; `%` stands for the number. */
const SENTENCES: Readonly<Record<string, string>> = {
  ActiveOpens: '% active connection openings',
  PassiveOpens: '% passive connection openings',
  AttemptFails: '% failed connection attempts',
  EstabResets: '% connection resets received',
  CurrEstab: '% connections established',
  InSegs: '% segments received',
  OutSegs: '% segments sent out',
  RetransSegs: '% segments retransmitted',
  InErrs: '% bad segments received',
  OutRsts: '% resets sent',

  SyncookiesSent: '% SYN cookies sent',
  SyncookiesRecv: '% SYN cookies received',
  SyncookiesFailed: '% invalid SYN cookies received',
  EmbryonicRsts: '% resets received for embryonic SYN_RECV sockets',
  PruneCalled: '% packets pruned from receive queue because of socket buffer overrun',
  OfoPruned: '% packets dropped from out-of-order queue because of socket buffer overrun',
  TW: '% TCP sockets finished time wait in fast timer',
  TWRecycled: '% time wait sockets recycled by time stamp',
  PAWSActive: '% active connections rejected because of time stamp',
  PAWSEstab: '% packets rejected in established connections because of timestamp',
  DelayedACKs: '% delayed acks sent',
  DelayedACKLost: 'Quick ack mode was activated % times',
  ListenOverflows: '% times the listen queue of a socket overflowed',
  ListenDrops: '% SYNs to LISTEN sockets dropped',
  TCPPureAcks: '% acknowledgments not containing data payload received',
  TCPRenoRecovery: '% times recovered from packet loss due to fast retransmit',
  TCPSACKReorder: 'Detected reordering % times using SACK',
  TCPRenoReorder: 'Detected reordering % times using reno fast retransmit',
  TCPTSReorder: 'Detected reordering % times using time stamp',
  TCPFullUndo: '% congestion windows fully recovered without slow start',
  TCPPartialUndo: '% congestion windows partially recovered using Hoe heuristic',
  TCPLossUndo: '% congestion windows recovered without slow start after partial ack',
  TCPRenoFailures: '% timeouts after reno fast retransmit',
  TCPLossFailures: '% timeouts in loss state',
  TCPFastRetrans: '% fast retransmits',
  TCPSlowStartRetrans: '% retransmits in slow start',
  TCPAbortOnData: '% connections reset due to unexpected data',
  TCPAbortOnClose: '% connections reset due to early user close',
  TCPAbortOnMemory: '% connections aborted due to memory pressure',
  TCPAbortOnTimeout: '% connections aborted due to timeout',
  TCPAbortOnLinger: '% connections aborted after user close in linger timeout',
  TCPMemoryPressures: 'TCP ran low on memory % times',
}

/** What `netstat -s` prints of counters: zeros only where it prints them too. */
export function counterText(counters: Readonly<Record<string, number>>): string {
  let text = ''
  for (const [group, names] of Object.entries(mibGroups)) {
    text += `${group}:\n`
    for (const name of names) {
      const value = counters[name] ?? 0
      const sentence = SENTENCES[name]
      if (value === 0 && (group !== 'Tcp' || sentence === undefined)) continue
      text += sentence === undefined ? `    ${name}: ${value}\n` : `    ${sentence.replace('%', String(value))}\n`
    }
  }
  return text
}
