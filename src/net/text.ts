import type { StreamChunk, WriteData } from './internals.ts'

/** Bytes of text that are encoded at once into memory that is used again, while it is in the processor's cache; longer ones get their own. */
const ROOM = 32_768
/** A character is at most so many bytes, in UTF-8. */
const MOST_BYTES = 3

const room = Buffer.allocUnsafeSlow(ROOM)

/**
 * What is to be written, in bytes. Strings that follow each other become one chunk, as in libuv's writes, in memory that the next call writes anew:
 * who keeps the chunks longer takes `owned` ones.
 */
export function toBuffers(data: WriteData, encoding: string): Buffer[] {
  const parts: StreamChunk[] = Array.isArray(data) ? data : [{ chunk: data, encoding } as StreamChunk]
  const chunks: Buffer[] = []
  let from = 0
  let to = 0
  for (const { chunk, encoding } of parts) {
    if (typeof chunk === 'string' && to + chunk.length * MOST_BYTES <= ROOM) {
      to += room.write(chunk, to, encoding || 'utf8')
      continue
    }
    if (to > from) chunks.push(room.subarray(from, to))
    from = to
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)
  }
  if (to > from || chunks.length === 0) chunks.push(room.subarray(from, to))
  return chunks
}

/** The same chunks, of which none is written anew. */
export function owned(chunks: readonly Buffer[]): readonly Buffer[] {
  return chunks.map((chunk) => (chunk.buffer === room.buffer ? Buffer.from(chunk) : chunk))
}
