import { addressBytes, type PacketSegment } from '../../observe/index.ts'
import {
  formatBytes,
  formatSegment,
  HEADER_LENGTH,
  internetChecksum,
  ParseResult,
  parseSegment,
  pseudoHeaderSum,
  readChecksum,
  Segment,
  type Seq,
  seqAdd,
} from '../../wire/index.ts'
import { formatTime } from './strftime.ts'

/** What is printed of a segment, by tcpdump's letters. */
export interface PrintOptions {
  /** `-t`, how often: 0 the time of day, 1 none, 2 seconds since 1970, 3 since the last line, 4 with the date, 5 since the first line. */
  time: number
  /** `-v`, how often. */
  verbose: number
  /** `-e` */
  link: boolean
  /** `-S` */
  absolute: boolean
  /** `-q` */
  quick: boolean
  /** `-x`, `-X`, `-A` */
  dump: 'none' | 'hex' | 'both' | 'ascii'
}

/** Numbers that a connection's are relative to: those of the side whose segment was first. */
interface Base {
  readonly side: string
  seq: Seq
  ack: Seq
}

/** Prints segments as tcpdump does. One printer for all lines of a run: sequence numbers count from the first segment of their connection. */
export class Printer {
  readonly #options: PrintOptions
  readonly #bases = new Map<string, Base>()
  readonly #segment = new Segment()
  #firstNs: bigint | null = null
  #lastNs: bigint | null = null

  constructor(options: PrintOptions) {
    this.#options = options
  }

  /** The line of a segment, and those of its bytes; without the last end of line. */
  print(found: PacketSegment): string {
    const { verbose, link, quick } = this.#options
    const { packet, source, destination } = found
    const time = this.#time(packet.ns)
    const head = [time, link ? linkHeader(found) : ''].filter((part) => part !== '').join(' ')
    const options = { src: source, dst: destination, alwaysSeq: verbose > 1, ...this.#base(found) }
    const dropped = packet.interfaceName === 'dropped' ? ` [${packet.comment ?? 'dropped'}]` : ''
    const before = head === '' ? '' : `${head} `
    if (quick) {
      return `${before}${prefix(found)}tcp ${Math.max(0, found.length - headerLength(found))}${dropped}${this.#dump(found)}`
    }
    let line = this.#line(found, options)
    // With -e the name of the protocol stands in the link's header already.
    if (link) line = line.replace(/^IP6? /, '')
    if (verbose > 0) {
      const [, name, rest] = /^(?:(IP6?) )?(.*)$/s.exec(line) as RegExpExecArray
      const checksum = checksumNote(found)
      line = `${name === undefined ? '' : `${name} `}${ipNote(found)}${found.family === 'IPv4' ? '\n    ' : ' '}${rest.replace(/(Flags \[[^\]]*\])/, `$1${checksum}`)}`
    }
    return `${before}${line}${dropped}${this.#dump(found)}`
  }

  #line({ buffer, start, end, length }: PacketSegment, options: Parameters<typeof formatBytes>[3]): string {
    if (end - start >= length || end - start < HEADER_LENGTH) return formatBytes(buffer, start, end, options)
    // Not all of it was kept: the header tells how long it was.
    const segment = this.#segment
    if (parseSegment(buffer, start, end, segment) === ParseResult.BadDataOffset)
      return formatBytes(buffer, start, end, options)
    segment.payloadEnd = start + length
    return formatSegment(segment, options)
  }

  /** tcpdump: the first segment that is seen of a connection, and every SYN, shows absolute numbers; the others count from them. */
  #base(found: PacketSegment): { seqBase?: Seq; ackBase?: Seq } {
    const { buffer, start, end, source, destination } = found
    if (this.#options.absolute || end - start < HEADER_LENGTH) return {}
    const [from, to] = [`${source}.${buffer.readUInt16BE(start)}`, `${destination}.${buffer.readUInt16BE(start + 2)}`]
    const key = from < to ? `${from} ${to}` : `${to} ${from}`
    const seq = buffer.readInt32BE(start + 4) as Seq
    const ack = buffer.readInt32BE(start + 8) as Seq
    const isSyn = (buffer[start + 13] & 2) !== 0
    const base = this.#bases.get(key)
    if (base === undefined || isSyn) {
      const own = { side: from, seq, ack: seqAdd(ack, -1) }
      const known = base !== undefined && base.side !== from
      // The answer to a SYN completes what is known.
      this.#bases.set(key, known ? { side: base.side, seq: seqAdd(ack, -1), ack: seq } : own)
      return {}
    }
    return base.side === from ? { seqBase: base.seq, ackBase: base.ack } : { seqBase: base.ack, ackBase: base.seq }
  }

  #time(ns: bigint): string {
    this.#firstNs ??= ns
    const first = this.#firstNs
    const last = this.#lastNs ?? ns
    this.#lastNs = ns
    switch (this.#options.time) {
      case 0:
        return clock(ns)
      case 1:
        return ''
      case 2:
        return secondsOf(ns)
      case 3:
        return `${spanOf(ns - last)}`
      case 4:
        return `${formatTime('%F', ns)} ${clock(ns)}`
      default:
        return `${spanOf(ns - first)}`
    }
  }

  #dump(found: PacketSegment): string {
    const { dump } = this.#options
    if (dump === 'none') return ''
    const bytes = found.packet.data.subarray(found.ipStart)
    if (dump === 'ascii') return `\n${printable(bytes, true)}`
    const lines: string[] = []
    for (let at = 0; at < bytes.length; at += 16) {
      const row = bytes.subarray(at, at + 16)
      const hex = (row.toString('hex').match(/.{1,4}/g) ?? []).join(' ')
      const text = dump === 'both' ? `  ${printable(row, false)}` : ''
      lines.push(`\t0x${at.toString(16).padStart(4, '0')}:  ${dump === 'both' ? hex.padEnd(39) : hex}${text}`)
    }
    return `\n${lines.join('\n')}`
  }
}

const SECOND = 1_000_000_000n
const micros = (ns: bigint): string => String((ns % SECOND) / 1000n).padStart(6, '0')
const secondsOf = (ns: bigint): string => `${ns / SECOND}.${micros(ns)}`

const clock = (ns: bigint): string => `${formatTime('%T', ns)}.${micros(ns)}`

function spanOf(ns: bigint): string {
  const absolute = ns < 0n ? -ns : ns
  const seconds = absolute / SECOND
  const two = (value: bigint): string => String(value).padStart(2, '0')
  const text = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${micros(absolute)}`
  return ns < 0n ? `-${text}` : ` ${text}`
}

function printable(bytes: Buffer, keepsLines: boolean): string {
  let text = ''
  for (const byte of bytes) {
    // tcpdump leaves them out of text.
    if (keepsLines && byte === 13) continue
    const isShown = (byte > 32 && byte < 127) || (keepsLines && (byte === 10 || byte === 9 || byte === 32))
    text += isShown ? String.fromCharCode(byte) : '.'
  }
  return text
}

function prefix({ family, source, destination, buffer, start }: PacketSegment): string {
  const ports = [buffer.readUInt16BE(start), buffer.readUInt16BE(start + 2)]
  return `${family === 'IPv4' ? 'IP' : 'IP6'} ${source}.${ports[0]} > ${destination}.${ports[1]}: `
}

const headerLength = ({ buffer, start, end }: PacketSegment): number =>
  end - start > 12 ? (buffer[start + 12] >> 4) << 2 : HEADER_LENGTH

function linkHeader({ packet, family }: PacketSegment): string {
  const type = family === 'IPv4' ? 'IPv4 (0x0800)' : 'IPv6 (0x86dd)'
  if (packet.linkType !== 1) return `ethertype ${type}, length ${packet.length}:`
  const mac = (at: number): string =>
    [...packet.data.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  return `${mac(6)} > ${mac(0)}, ethertype ${type}, length ${packet.length}:`
}

function ipNote({ packet, ipStart, family }: PacketSegment): string {
  const { data } = packet
  if (family === 'IPv6') {
    const payload = data.readUInt16BE(ipStart + 4)
    return `(hlim ${data[ipStart + 7]}, next-header TCP (6) payload length: ${payload})`
  }
  const flags = data.readUInt16BE(ipStart + 6)
  const names = [(flags & 0x4000) !== 0 ? 'DF' : '', (flags & 0x2000) !== 0 ? '+' : ''].filter((name) => name !== '')
  return (
    `(tos 0x${data[ipStart + 1].toString(16)}, ttl ${data[ipStart + 8]}, id ${data.readUInt16BE(ipStart + 4)}, ` +
    `offset ${(flags & 0x1fff) * 8}, flags [${names.join(', ') || 'none'}], proto TCP (6), length ${data.readUInt16BE(ipStart + 2)})`
  )
}

function checksumNote(found: PacketSegment): string {
  const { buffer, start, end, length, family, source, destination, udpPorts } = found
  // Inside UDP it is for other addresses, or left to UDP's own.
  if (udpPorts !== null || end - start < length || length < HEADER_LENGTH) return ''
  const found16 = readChecksum(buffer, start)
  const sum = pseudoHeaderSum(addressBytes(source, family), addressBytes(destination, family), length)
  const copy = Buffer.from(buffer.subarray(start, end))
  copy.writeUInt16BE(0, 16)
  const right = internetChecksum(sum, copy, 0, copy.length)
  const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
  return `, cksum ${hex(found16)} ${found16 === right ? '(correct)' : `(incorrect -> ${hex(right)})`}`
}
