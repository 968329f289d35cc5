import { readFileSync } from 'node:fs'

// linux: /proc/net/udp lists every UDP socket of the network namespace with both of its addresses. It answers two questions
// that dgram cannot: which of our addresses a local client talks to, and how many datagrams a full receive buffer cost us.
//
//    sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
//  8296: 0100007F:E226 0200007F:C4BA 01 00000000:00000000 00:00000000 00000000     0        0 18274 2 00000000c4e5395d 0

/** The text of the file, or nothing where there is no such file. */
export type ReadTable = (file: string) => string

function readTable(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

/**
 * The IPv4 address to which a client on this machine has connected its UDP socket, when that socket is bound to
 * `address`:`port` and connected to `listeningPort`. Null where the client's socket is not connected, or not to be found.
 */
export function addressedByLocalClient(
  address: string,
  port: number,
  listeningPort: number,
  read: ReadTable = readTable,
): string | null {
  const local = tableKey(address, port)
  const remotePort = `:${hexPort(listeningPort)}`
  let found: string | null = null
  for (const line of read('/proc/net/udp').split('\n')) {
    const fields = line.trim().split(/\s+/)
    if (fields[1] !== local || !fields[2].endsWith(remotePort)) continue
    const destination = addressOf(fields[2])
    // Two clients that share their address: nobody can say which of them it was.
    if (found !== null && found !== destination) return null
    found = destination
  }
  return found
}

/**
 * Datagrams that the kernel threw away for want of room, by socket. A socket goes by `key(address, port)`; sockets that nobody
 * asked about are listed too.
 */
export function receiveDrops(read: ReadTable = readTable): Map<string, number> {
  const drops = new Map<string, number>()
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of read(file).split('\n')) {
      const fields = line.trim().split(/\s+/)
      if (fields.length >= 13) drops.set(fields[1], Number(fields[12]) + (drops.get(fields[1]) ?? 0))
    }
  }
  return drops
}

/** How the tables write a socket's address. */
export function tableKey(address: string, port: number): string {
  return `${address.includes(':') ? hexIPv6(address) : hexAddress(address)}:${hexPort(port)}`
}

/** The kernel prints the address as one 32-bit number of the machine's own byte order: little-endian wherever Node runs on Linux but s390x. */
function hexAddress(address: string): string {
  const bytes = Buffer.from(address.split('.').map(Number))
  if (LITTLE_ENDIAN) bytes.reverse()
  return bytes.toString('hex').toUpperCase()
}

/** IPv6 addresses are four such numbers. */
function hexIPv6(address: string): string {
  const [head, tail] = address.replace(/%.*$/, '').split('::')
  const words = (text: string | undefined): string[] => (text ? text.split(':') : [])
  const first = words(head)
  const last = words(tail)
  const all = [...first, ...new Array<string>(8 - first.length - last.length).fill('0'), ...last]
  const bytes = Buffer.from(all.map((word) => word.padStart(4, '0')).join(''), 'hex')
  if (LITTLE_ENDIAN) bytes.swap32()
  return bytes.toString('hex').toUpperCase()
}

function addressOf(field: string): string {
  const bytes = Buffer.from(field.slice(0, 8), 'hex')
  if (LITTLE_ENDIAN) bytes.reverse()
  return bytes.join('.')
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
