// The file that travels, and the proof that it came.

import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'

/** Makes a file of random bytes: what compresses to nothing would prove little. Returns its SHA-256. */
export async function makeFile(path: string, size: number): Promise<string> {
  const hash = createHash('sha256')
  const block = Buffer.allocUnsafe(1 << 20)
  const file = await open(path, 'w')
  try {
    for (let left = size; left > 0; left -= block.length) {
      const piece = randomFillSync(block.subarray(0, Math.min(block.length, left)))
      hash.update(piece)
      await file.write(piece)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

/** Of the whole file, or of its first `bytes`. */
export async function digestOf(path: string, bytes: number = Infinity): Promise<string> {
  const hash = createHash('sha256')
  if (bytes === 0) return hash.digest('hex')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, end: bytes - 1 })) hash.update(chunk)
  return hash.digest('hex')
}
