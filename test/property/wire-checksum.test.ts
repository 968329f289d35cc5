import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  internetChecksum,
  onesComplementSum,
  pseudoHeaderSum,
  readChecksum,
  verifyChecksum,
  writeChecksum,
} from '../../src/wire/index.ts'

/** The model: bytes one by one, in numbers without bounds, folded by division. */
function model(bytes: Uint8Array): number {
  let sum = 0n
  for (const [i, byte] of bytes.entries()) sum += BigInt(i % 2 === 0 ? byte << 8 : byte)
  return sum === 0n ? 0 : Number(((sum - 1n) % 65535n) + 1n)
}

/** Pseudo-random bytes, quick enough for every length and place. */
function fill(buffer: Buffer, seed: number): void {
  let state = seed | 1
  for (let i = 0; i < buffer.length; i++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    buffer[i] = state >>> 24
  }
}

describe('the checksum against adding byte by byte', () => {
  it('is the same for every length up to 300 at every alignment', () => {
    // The memory itself begins aligned: a buffer that begins at 0 … 7 of it, and sums that begin at 0 … 7 of the buffer.
    const memory = Buffer.from(new ArrayBuffer(340))
    fill(memory, 1)
    let checked = 0
    for (let shift = 0; shift < 8; shift++) {
      const buffer = Buffer.from(memory.buffer, memory.byteOffset + shift)
      for (let start = 0; start < 8; start++) {
        for (let length = 0; length <= 300; length++) {
          const expected = model(buffer.subarray(start, start + length))
          const sum = onesComplementSum(buffer, start, start + length)
          if (sum !== expected) expect.fail(`at ${shift} + ${start}, ${length} bytes: ${sum} for ${expected}`)
          checked++
        }
      }
    }
    expect(checked).toBe(8 * 8 * 301)
  })

  it('is the same for any bytes, place and length up to a whole datagram', () => {
    const extreme = fc.constantFrom(0x00, 0xff, 0x80)
    fc.assert(
      fc.property(
        fc.nat(65_535),
        fc.nat(7),
        fc.nat(7),
        fc.oneof(fc.integer(), extreme.map(String)),
        (length, shift, start, content) => {
          const buffer = Buffer.from(new ArrayBuffer(65_560), shift, 65_550)
          if (typeof content === 'number') fill(buffer, content)
          else buffer.fill(Number(content))
          expect(onesComplementSum(buffer, start, start + length)).toBe(model(buffer.subarray(start, start + length)))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('makes the whole sum up to ffff, pseudo-header included, and never is 0', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 300 }), fc.nat(7), (bytes, start) => {
        const buffer = Buffer.concat([Buffer.alloc(start), bytes])
        writeChecksum(buffer, start, buffer.length)
        const checksum = readChecksum(buffer, start)
        const pseudo = Buffer.from([0, 6, bytes.length >> 8, bytes.length & 0xff])
        expect(model(Buffer.concat([pseudo, buffer.subarray(start)]))).toBe(0xffff)
        expect(checksum).not.toBe(0)
        expect(verifyChecksum(buffer, start, buffer.length)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('is refused with any other value in its field', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), fc.nat(0xffff), (bytes, other) => {
        const buffer = Buffer.from(bytes)
        writeChecksum(buffer, 0, buffer.length)
        const right = readChecksum(buffer, 0)
        // 0 and ffff are the same number in one's complement.
        fc.pre(other % 0xffff !== right % 0xffff)
        buffer.writeUInt16BE(other, 16)
        expect(verifyChecksum(buffer, 0, buffer.length)).toBe(false)
      }),
    )
  })

  it('sums up pseudo-headers of both families', () => {
    const family = fc.constantFrom(4, 16)
    fc.assert(
      fc.property(family, fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(100_000), (size, bytes, length) => {
        const [src, dst] = [Buffer.from(bytes.subarray(0, size)), Buffer.from(bytes.subarray(16, 16 + size))]
        const rest = Buffer.alloc(8)
        rest.writeUInt32BE(length)
        rest[7] = 6
        expect(pseudoHeaderSum(src, dst, length)).toBe(model(Buffer.concat([src, dst, rest])))
        const data = Buffer.from(bytes)
        expect(internetChecksum(pseudoHeaderSum(src, dst, length), data, 0, 32)).toBe(
          0xffff - model(Buffer.concat([src, dst, rest, data])),
        )
      }),
    )
  })
})
