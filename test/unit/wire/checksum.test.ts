import { describe, expect, it } from 'vitest'
import {
  hasChecksum,
  internetChecksum,
  onesComplementSum,
  pseudoHeaderSum,
  readChecksum,
  verifyChecksum,
  writeChecksum,
  writeChecksumField,
} from '../../../src/wire/index.ts'

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** A segment of `length` bytes in which no two words are alike. */
function segment(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 37 + (i >> 8)) & 0xff
  return bytes
}

describe('onesComplementSum', () => {
  it('[rfc1071#2] gives the sum of the example in the RFC, whatever the order of bytes here', () => {
    expect(onesComplementSum(fromHex('0001 f203 f4f5 f6f7'), 0, 8)).toBe(0xddf2)
  })

  it('pads an odd last byte with 0', () => {
    expect(onesComplementSum(fromHex('0102 03'), 0, 3)).toBe(0x0402)
    expect(onesComplementSum(fromHex('ff'), 0, 1)).toBe(0xff00)
  })

  it('is 0 for nothing, and for zeros only', () => {
    expect(onesComplementSum(Buffer.alloc(0), 0, 0)).toBe(0)
    expect(onesComplementSum(Buffer.alloc(1000), 0, 1000)).toBe(0)
  })

  it('loses no carry in the largest datagram of ones', () => {
    const ones = Buffer.alloc(65536, 0xff)
    expect(onesComplementSum(ones, 0, 65536)).toBe(0xffff)
    expect(onesComplementSum(ones, 1, 65536)).toBe(0xff00)
  })
})

describe('checksums for real addresses', () => {
  // A RST that Linux 6 sent from 127.0.0.1 to 127.0.0.5; it computes those in software, also on loopback.
  const reset = fromHex('0009e12f00000000b0a175fc5014000000000000')
  const src = fromHex('7f000001')
  const dst = fromHex('7f000005')

  it('[rfc9293#3.1 MUST-2] are what Linux computes', () => {
    expect(internetChecksum(pseudoHeaderSum(src, dst, reset.length), reset, 0, reset.length)).toBe(0xa9f3)
  })

  it('sum up the pseudo-header as Linux leaves it to an interface that completes it', () => {
    expect(pseudoHeaderSum(src, src, 40)).toBe(0xfe30)
    const loopback6 = fromHex('00000000000000000000000000000001')
    expect(pseudoHeaderSum(loopback6, loopback6, 45)).toBe(0x0035)
    // Linux 6 left 0030 for a SYN of 40 bytes from ::1 to ::1, and fe2d for 37 bytes from 127.0.0.1 to itself.
    expect(pseudoHeaderSum(loopback6, loopback6, 40)).toBe(0x0030)
    expect(pseudoHeaderSum(src, src, 37)).toBe(0xfe2d)
  })

  it('[rfc8200#8.1] count a length of more than 16 bits', () => {
    const none = Buffer.alloc(16)
    expect(pseudoHeaderSum(none, none, 0x1_0002)).toBe(6 + 1 + 2)
  })
})

describe('our checksum', () => {
  it('[rfc9293#3.1 MUST-2] is over a pseudo-header without addresses', () => {
    const bytes = segment(1432)
    writeChecksum(bytes, 0, bytes.length)
    const written = readChecksum(bytes, 0)
    writeChecksumField(bytes, 0, 0)
    const none = Buffer.alloc(4)
    expect(written).toBe(internetChecksum(pseudoHeaderSum(none, none, 1432), bytes, 0, 1432))
    expect(written).not.toBe(0)
  })

  it('does not depend on what stood in the field', () => {
    const bytes = segment(100)
    writeChecksum(bytes, 0, 100)
    const first = readChecksum(bytes, 0)
    writeChecksum(bytes, 0, 100)
    expect(readChecksum(bytes, 0)).toBe(first)
    expect(verifyChecksum(bytes, 0, 100)).toBe(true)
  })

  it('[rfc9293#3.1 MUST-3] shows every flipped bit', () => {
    const bytes = segment(150)
    writeChecksum(bytes, 0, 150)
    expect(verifyChecksum(bytes, 0, 150)).toBe(true)
    let missed = 0
    for (let bit = 0; bit < 150 * 8; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7)
      if (verifyChecksum(bytes, 0, 150)) missed++
      bytes[bit >> 3] ^= 1 << (bit & 7)
    }
    expect(missed).toBe(0)
  })

  it('[rfc9293#3.1 MUST-3] shows a segment that was cut', () => {
    const bytes = segment(150)
    writeChecksum(bytes, 0, 150)
    const accepted = Array.from({ length: 131 }, (_, i) => 20 + i).filter((end) => verifyChecksum(bytes, 0, end))
    expect(accepted).toEqual([150])
    // Zeros alone do not change the sum: it is the length in the pseudo-header that shows them.
    const longer = Buffer.concat([bytes, Buffer.alloc(2)])
    expect(verifyChecksum(longer, 0, 152)).toBe(false)
  })

  it('sends a computed 0 as 0xffff, and that is still right', () => {
    const bytes = Buffer.alloc(24)
    // The sum of everything else is 0xffff: 6 + 24 and this word.
    bytes.writeUInt16BE(0xffff - 30, 4)
    writeChecksum(bytes, 0, 24)
    expect(readChecksum(bytes, 0)).toBe(0xffff)
    expect(hasChecksum(bytes, 0)).toBe(true)
    expect(verifyChecksum(bytes, 0, 24)).toBe(true)
  })

  it('says whether one was computed, by either byte of the field', () => {
    const bytes = Buffer.alloc(30, 0xff)
    const seen = [0, 1, 0x0100, 0xffff].map((checksum) => {
      writeChecksumField(bytes, 5, checksum)
      return hasChecksum(bytes, 5)
    })
    expect(seen).toEqual([false, true, true, true])
    expect(bytes.subarray(0, 21).every((byte) => byte === 0xff)).toBe(true)
  })

  it('writes into its own field only', () => {
    const bytes = segment(60)
    const before = Buffer.from(bytes)
    writeChecksum(bytes, 7, 53)
    for (let i = 0; i < 60; i++) {
      if (i !== 23 && i !== 24) expect(bytes[i], `byte ${i}`).toBe(before[i])
    }
    expect(verifyChecksum(bytes, 7, 53)).toBe(true)
  })
})
