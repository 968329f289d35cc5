import type { Socket } from 'node:net'

/** Bytes that went each way, and how connections ended. */
export interface GatewayCounters {
  /** Connections taken. */
  accepted: number
  /** Those that are relayed now, or wait for the target. */
  open: number
  /** Not relayed: the target refused, could not be reached, or the client told nothing of use. */
  failed: number
  /** Ended by a reset, whoever sent it. */
  resets: number
  /** From clients to targets, and back. */
  bytesIn: number
  bytesOut: number
}

/**
 * Joins two connections: what one brings goes to the other, as fast as that takes it; an end is handed on as an end, a reset as a reset.
 * Both must be half-open ones (`allowHalfOpen`). `done` comes when both have closed.
 */
export function join(client: Socket, target: Socket, counters: GatewayCounters, done: () => void): void {
  let open = 2
  let wasReset = false
  for (const [from, to, bytes] of [
    [client, target, 'bytesIn'],
    [target, client, 'bytesOut'],
  ] as const) {
    from.on('data', (piece: Buffer) => {
      counters[bytes] += piece.length
    })
    from.pipe(to)
    from.once('close', () => {
      // Whole: it has heard the other's end, and said its own.
      if (!(from.readableEnded && from.writableFinished)) {
        wasReset = true
        reset(to)
      }
      if (--open > 0) return
      if (wasReset) counters.resets++
      done()
    })
  }
}

/** Ends a connection so that its peer cannot take it for complete. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}
