export type AddressFamily = 'IPv4' | 'IPv6'

const known = new Map<string, Buffer>()
const MOST_KNOWN = 4096

/** The bytes of an address as headers have them: 4 or 16. Shared, read-only. What is no address is all zeros. */
export function addressBytes(address: string, family: AddressFamily): Buffer {
  const key = family + address
  let bytes = known.get(key)
  if (bytes === undefined) {
    bytes = family === 'IPv4' ? parseIPv4(address) : parseIPv6(address)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(key, bytes)
  }
  return bytes
}

function parseIPv4(address: string): Buffer {
  const bytes = Buffer.alloc(4)
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  for (const [i, part] of plain.split('.').entries()) if (i < 4) bytes[i] = Number(part)
  return bytes
}

function parseIPv6(address: string): Buffer {
  const bytes = Buffer.alloc(16)
  let text = address.replace(/%.*$/, '')
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (dotted !== null) {
    const four = parseIPv4(dotted[2])
    text = `${dotted[1]}${four.readUInt16BE(0).toString(16)}:${four.readUInt16BE(2).toString(16)}`
  }
  const [head, tail] = text.split('::')
  const words = (part: string | undefined): number[] =>
    part ? part.split(':').map((word) => Number.parseInt(word, 16) || 0) : []
  const first = words(head).slice(0, 8)
  const last = words(tail).slice(0, 8 - first.length)
  for (const [i, word] of first.entries()) bytes.writeUInt16BE(word & 0xffff, 2 * i)
  for (const [i, word] of last.entries()) bytes.writeUInt16BE(word & 0xffff, 2 * (8 - last.length + i))
  return bytes
}

/** An address as people write it (rfc5952). */
export function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i))
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && words[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  const hex = (some: number[]): string => some.map((word) => word.toString(16)).join(':')
  if (best.at < 0) return hex(words)
  return `${hex(words.slice(0, best.at))}::${hex(words.slice(best.at + best.length))}`
}

/** As addresses and ports are written together: `10.0.0.1:80`, `[::1]:80`. */
export const formatEnd = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
