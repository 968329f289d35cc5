import type { Connection } from './connection.ts'
import type { SegmentSink } from './host.ts'

/**
 * `tcp_autocorking` (linux: tcp_should_autocork): a small segment waits while earlier ones of its connection wait below TCP, for the application
 * may write more meanwhile, and what waits there leaves no sooner for having company. With TCP_NODELAY too.
 *
 * Whether what `sender.next` found is to wait. Counts each time that somebody begins to.
 */
export function isAutocorked(c: Connection, sink: SegmentSink, limit: number): boolean {
  const { sender, host } = c
  const small = sender.length < limit && !sender.fin && !c.overrideDue
  const hold = small && host.sysctl.tcp_autocorking === 1 && !sender.board.isEmpty && sink.isWaiting(c.dataBatch)
  if (hold && !c.autocorked) host.mib.TCPAutoCorking++
  c.autocorked = hold
  return hold
}
