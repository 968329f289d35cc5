import { isIPv4, isIPv6 } from 'node:net'

// The PROXY protocol of HAProxy, versions 1 and 2: in front of its bytes a connection tells whose it is. Many servers understand it
// (nginx, HAProxy, Postgres poolers, mail servers); between two gateways it carries the client's address across.

/** One end of a connection. */
export interface End {
  readonly address: string
  readonly port: number
}

export interface ProxyHeader {
  /** Undefined: the sender spoke for itself, or would not say. */
  readonly source: End | undefined
  readonly destination: End | undefined
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** With the longest addresses, and its line end. */
const LONGEST_V1 = 107
/** Of version 2: addresses, and more that we pass over. */
const LONGEST_V2 = 4096
const FIXED_V2 = 16

/** The header that tells of a connection from `source` to `destination`. */
export function proxyHeader(version: 1 | 2, source: End, destination: End): Buffer {
  const [from, to] = [plain(source.address), plain(destination.address)]
  const isV4 = isIPv4(from) && isIPv4(to)
  if (version === 1) {
    const [one, other] = isV4 ? [from, to] : [asIPv6(from), asIPv6(to)]
    return Buffer.from(`PROXY TCP${isV4 ? 4 : 6} ${one} ${other} ${source.port} ${destination.port}\r\n`, 'latin1')
  }
  const size = isV4 ? 4 : 16
  const header = Buffer.alloc(FIXED_V2 + 2 * size + 4)
  SIGNATURE.copy(header)
  header[12] = 0x21
  header[13] = isV4 ? 0x11 : 0x21
  header.writeUInt16BE(2 * size + 4, 14)
  addressBytes(from, isV4).copy(header, FIXED_V2)
  addressBytes(to, isV4).copy(header, FIXED_V2 + size)
  header.writeUInt16BE(source.port, FIXED_V2 + 2 * size)
  header.writeUInt16BE(destination.port, FIXED_V2 + 2 * size + 2)
  return header
}

/**
 * Reads the header at the beginning of what a connection has brought: the header and its length; `'more'` while it is not all there;
 * `'bad'` where there is none.
 */
export function readProxyHeader(data: Buffer): { header: ProxyHeader; length: number } | 'more' | 'bad' {
  const known = Math.min(data.length, SIGNATURE.length)
  if (data.subarray(0, known).equals(SIGNATURE.subarray(0, known)))
    return data.length < FIXED_V2 ? 'more' : readV2(data)
  const text = data.subarray(0, LONGEST_V1).toString('latin1')
  if (!'PROXY '.startsWith(text.slice(0, 6))) return 'bad'
  const end = text.indexOf('\r\n')
  if (end < 0) return text.length < LONGEST_V1 ? 'more' : 'bad'
  const header = readV1(text.slice(0, end))
  return header === null ? 'bad' : { header, length: end + 2 }
}

function readV1(line: string): ProxyHeader | null {
  const [, family, from, to, fromPort, toPort, ...rest] = line.split(' ')
  if (family === 'UNKNOWN') return { source: undefined, destination: undefined }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : () => false
  if (rest.length > 0 || !isAddress(from) || !isAddress(to) || !isPort(fromPort) || !isPort(toPort)) return null
  return { source: { address: from, port: Number(fromPort) }, destination: { address: to, port: Number(toPort) } }
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}

function readV2(data: Buffer): ReturnType<typeof readProxyHeader> {
  const [version, family] = [data[12], data[13]]
  const length = FIXED_V2 + data.readUInt16BE(14)
  if (version >> 4 !== 2 || (version & 0x0f) > 1 || length > LONGEST_V2) return 'bad'
  if (data.length < length) return 'more'
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0
  // LOCAL, or a family that is none of TCP's.
  if ((version & 0x0f) === 0 || size === 0) return { header: { source: undefined, destination: undefined }, length }
  if (length < FIXED_V2 + 2 * size + 4) return 'bad'
  const ports = FIXED_V2 + 2 * size
  const header = {
    source: { address: addressText(data, FIXED_V2, size), port: data.readUInt16BE(ports) },
    destination: { address: addressText(data, FIXED_V2 + size, size), port: data.readUInt16BE(ports + 2) },
  }
  return { header, length }
}

/** An IPv4 address that a socket of both families shows as an IPv6 one, and no zone, which means nothing elsewhere. */
export function plain(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '')
}

function asIPv6(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : address
}

function addressBytes(address: string, isV4: boolean): Buffer {
  if (isV4) return Buffer.from(address.split('.').map(Number))
  // An IPv4 address at the end is two groups.
  const text = asIPv6(address).replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [head, tail] = text.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const rest = tail ?? []
  const groups = [...head, ...new Array<string>(8 - head.length - rest.length).fill('0'), ...rest]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function addressText(data: Buffer, at: number, size: number): string {
  if (size === 4) return data.subarray(at, at + 4).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => data.readUInt16BE(at + 2 * i).toString(16))
  // As URLs write them: the longest run of zeros left out.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
