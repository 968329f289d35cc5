import type { Connection } from './connection.ts'
import type { SegmentSink } from './host.ts'

/**
 * `tcp_autocorking` (linux: tcp_should_autocork): a small segment waits while earlier ones of its connection wait below TCP, for the application
 * may write more meanwhile, and what waits there leaves no sooner for having company. With TCP_NODELAY too.
 */
export class Autocork {
  /** The batch that the last data went into (`SegmentSink.batch`). */
  batch = 0
  /** A segment waits; the sink says when its reason is gone. */
  on = false

  /** Whether what `sender.next` found is to wait. Counts each time that somebody begins to. */
  holds({ sender, host, overrideDue }: Connection, sink: SegmentSink, limit: number): boolean {
    const small = sender.length < limit && !sender.fin && !overrideDue
    const hold = small && host.sysctl.tcp_autocorking === 1 && !sender.board.isEmpty && sink.isWaiting(this.batch)
    if (hold && !this.on) host.mib.TCPAutoCorking++
    this.on = hold
    return hold
  }
}
