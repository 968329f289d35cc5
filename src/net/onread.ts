import { Appetite } from './handle.ts'
import { kHandle, kState, type ReadInto, type SocketInternals } from './internals.ts'
import type { SocketOptions } from './types.ts'

// The `onread` option: data goes into a buffer of the user's, past the stream.

export function readInto(onread: SocketOptions['onread']): ReadInto | null {
  if (onread === null || typeof onread !== 'object' || typeof onread.callback !== 'function') return null
  const { buffer, callback } = onread
  if (typeof buffer === 'function') return { buffer: new Uint8Array(0), nextBuffer: buffer, callback }
  return buffer instanceof Uint8Array ? { buffer, nextBuffer: null, callback } : null
}

/** Fills the user's buffer as often as it takes, until the callback returns false. */
export function readIntoBuffers(socket: SocketInternals, piece: Buffer): Appetite {
  const into = socket[kState].readInto as ReadInto
  const handle = socket[kHandle]
  let at = 0
  while (at < piece.length) {
    const { buffer } = into
    const length = Math.min(buffer.length, piece.length - at)
    // A buffer without room can never be filled: what comes is thrown away, as there is nowhere to put it.
    if (length === 0) return Appetite.More
    buffer.set(piece.subarray(at, at + length))
    at += length
    const goOn = into.callback.call(socket, length, buffer) !== false
    if (into.nextBuffer !== null) {
      const { nextBuffer } = into
      const next = nextBuffer()
      if (next instanceof Uint8Array) into.buffer = next
    }
    if (handle === null || socket[kHandle] !== handle) return Appetite.Enough
    if (!goOn || !handle.reading) {
      if (at < piece.length) handle.unread(piece.subarray(at))
      return Appetite.Enough
    }
  }
  return Appetite.More
}
