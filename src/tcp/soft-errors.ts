import type { Connection } from './connection.ts'
import { CloseReason } from './state.ts'

// Errors that do not end a connection (rfc9293#3.9.1.8, rfc1122#4.2.4.1): whoever wants to know of them sets a tracer, or asks `info`; nobody
// else is told. What is heard from the peer ends them.

/** MUST-47: an error has been met that is not given up for. */
export function reportSoftError(c: Connection, reason: CloseReason, now: number): void {
  if (c.softError === reason) return
  // What the path said tells more than that nothing was heard.
  if (reason !== CloseReason.TimedOut || c.softError === CloseReason.None) c.softError = reason
  c.host.tracer?.softError?.(c.id, now, reason)
}

/** Why a connection ends that nothing is heard on: linux: tcp_write_err; the path said so all along, or nobody knows. A refusal not repeated says nothing. */
export function silenceReason({ softError }: Connection): CloseReason {
  const unreachable = softError === CloseReason.NetUnreachable || softError === CloseReason.HostUnreachable
  return unreachable ? softError : CloseReason.TimedOut
}

/** As SO_ERROR of Linux shows a soft error; empty: none. */
export function softErrorCode(reason: CloseReason): string {
  switch (reason) {
    case CloseReason.Refused:
      return 'ECONNREFUSED'
    case CloseReason.NetUnreachable:
      return 'ENETUNREACH'
    case CloseReason.HostUnreachable:
      return 'EHOSTUNREACH'
    case CloseReason.TimedOut:
      return 'ETIMEDOUT'
    default:
      return ''
  }
}
