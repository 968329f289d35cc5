// Captures as Wireshark, tcpdump and tcptrace read them: pcapng with link type Ethernet, around each segment the IP header and the
// Ethernet header that it would have had.

import { hasChecksum, internetChecksum, onesComplementSum, pseudoHeaderSum, verifyChecksum } from '../wire/index.ts'
import { type AddressFamily, addressBytes } from './address.ts'
import type { CapturedPacket } from './capture-reader.ts'

/** Takes the bytes of a capture. They are the taker's. */
export interface CaptureOutput {
  write(bytes: Buffer): void
  /** Nothing more comes. */
  end(): void
}

export interface PcapngOptions {
  /** Bytes of each packet to keep, headers counted. Default 262,144, as tcpdump has it. */
  snaplen?: number
  /** The program that captures. */
  application?: string
}

/** The interfaces of every capture of ours, by number. */
const CAPTURE_INTERFACES = ['passed', 'dropped'] as const
export const PASSED = 0
export const DROPPED = 1

/** A segment with what is needed to wrap it. */
export interface CapturedSegment {
  /** Microseconds since 1970. */
  readonly us: number
  /** `PASSED` or `DROPPED`. */
  readonly interface: number
  readonly outgoing: boolean
  readonly family: AddressFamily
  readonly source: string
  readonly destination: string
  /** The segment is `buffer[start … end)`: borrowed until return. */
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly comment?: string
}

const DEFAULT_SNAPLEN = 262_144
const BLOCK = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const
const OPTION = {
  end: 0,
  comment: 1,
  name: 2,
  flags: 2,
  application: 4,
  resolution: 9,
  received: 4,
  droppedByUs: 5,
} as const
const LINKTYPE_ETHERNET = 1
const NANOSECONDS = 9
const ETHERNET = 14
const ETHERTYPE = { IPv4: 0x0800, IPv6: 0x86dd } as const
const IP_HEADER = { IPv4: 20, IPv6: 40 } as const
const TCP = 6
const TTL = 64
const DONT_FRAGMENT = 0x4000
const CHECKSUM_AT = 16

/** Writes a capture. Everything goes out in whole blocks, so that a file that is cut short can be read up to there. */
export class PcapngWriter {
  /** Packets written, per interface. */
  readonly counts: [number, number] = [0, 0]
  readonly #output: CaptureOutput
  readonly #snaplen: number
  #ipId = 0
  #lastNs = 0n

  constructor(output: CaptureOutput, { snaplen = DEFAULT_SNAPLEN, application = 'sluice' }: PcapngOptions = {}) {
    this.#output = output
    this.#snaplen = snaplen
    const section = Buffer.alloc(16)
    section.writeUInt32LE(0x1a2b3c4d, 0)
    section.writeUInt16LE(1, 4)
    // The length of the section is not known beforehand.
    section.writeBigInt64LE(-1n, 8)
    output.write(block(BLOCK.section, section, [[OPTION.application, Buffer.from(application)]]))
    for (const name of CAPTURE_INTERFACES) {
      const head = Buffer.alloc(8)
      head.writeUInt16LE(LINKTYPE_ETHERNET, 0)
      head.writeUInt32LE(snaplen, 4)
      output.write(
        block(BLOCK.interface, head, [
          [OPTION.name, Buffer.from(name)],
          [OPTION.resolution, Buffer.from([NANOSECONDS])],
        ]),
      )
    }
  }

  write(segment: CapturedSegment): void {
    const packet = this.#packet(segment)
    // In two parts: nanoseconds since 1970 are more than a double can count.
    this.#write(segment.interface, BigInt(Math.round(segment.us)) * 1000n, packet, packet.length, segment)
  }

  /** A packet of another capture, whose link type has to be Ethernet, as it is. */
  copy({ interfaceName, ns, data, length, comment, direction }: CapturedPacket): void {
    const outgoing = direction === undefined ? undefined : direction === 'out'
    this.#write(interfaceName === 'dropped' ? DROPPED : PASSED, ns, data, length, { outgoing, comment })
  }

  #write(
    number: number,
    ns: bigint,
    packet: Buffer,
    length: number,
    { outgoing, comment }: { outgoing: boolean | undefined; comment?: string | undefined },
  ): void {
    if (ns > this.#lastNs) this.#lastNs = ns
    const kept = Math.min(packet.length, this.#snaplen)
    const body = Buffer.alloc(20 + ((kept + 3) & ~3))
    body.writeUInt32LE(number, 0)
    writeNs(body, ns, 4)
    body.writeUInt32LE(kept, 12)
    body.writeUInt32LE(length, 16)
    packet.copy(body, 20, 0, kept)
    const options: Option[] = []
    if (comment !== undefined) options.push([OPTION.comment, Buffer.from(comment)])
    if (outgoing !== undefined) {
      const flags = Buffer.alloc(4)
      flags.writeUInt32LE(outgoing ? 2 : 1, 0)
      options.push([OPTION.flags, flags])
    }
    this.counts[number as 0 | 1]++
    this.#output.write(block(BLOCK.packet, body, options))
  }

  /** Writes the statistics of both interfaces, and ends the output. */
  end(): void {
    for (const [number, count] of this.counts.entries()) {
      const body = Buffer.alloc(12)
      body.writeUInt32LE(number, 0)
      writeNs(body, this.#lastNs, 4)
      const isDropped = number === DROPPED
      this.#output.write(
        block(BLOCK.statistics, body, [
          [OPTION.received, uint64(count)],
          [OPTION.droppedByUs, uint64(isDropped ? count : 0)],
        ]),
      )
    }
    this.#output.end()
  }

  /** The segment in its made-up headers. */
  #packet({ family, source, destination, buffer, start, end }: CapturedSegment): Buffer {
    const length = end - start
    const ipLength = IP_HEADER[family]
    const packet = Buffer.allocUnsafe(ETHERNET + ipLength + length)
    const from = addressBytes(source, family)
    const to = addressBytes(destination, family)
    writeMac(packet, 0, to)
    writeMac(packet, 6, from)
    packet.writeUInt16BE(ETHERTYPE[family], 12)
    if (family === 'IPv4') this.#writeIPv4(packet, ETHERNET, from, to, length)
    else writeIPv6(packet, ETHERNET, from, to, length)
    const at = ETHERNET + ipLength
    buffer.copy(packet, at, start, end)
    if (length >= CHECKSUM_AT + 2) {
      const damaged = hasChecksum(buffer, start) && !verifyChecksum(buffer, start, end)
      packet.writeUInt16BE(0, at + CHECKSUM_AT)
      const checksum = internetChecksum(pseudoHeaderSum(from, to, length), packet, at, at + length)
      // What was damaged stays visibly so.
      packet.writeUInt16BE(damaged ? checksum ^ 0xffff : checksum, at + CHECKSUM_AT)
    }
    return packet
  }

  #writeIPv4(packet: Buffer, at: number, from: Buffer, to: Buffer, length: number): void {
    packet.writeUInt16BE(0x4500, at)
    packet.writeUInt16BE((20 + length) & 0xffff, at + 2)
    packet.writeUInt16BE(this.#ipId, at + 4)
    this.#ipId = (this.#ipId + 1) & 0xffff
    packet.writeUInt16BE(DONT_FRAGMENT, at + 6)
    packet[at + 8] = TTL
    packet[at + 9] = TCP
    packet.writeUInt16BE(0, at + 10)
    from.copy(packet, at + 12)
    to.copy(packet, at + 16)
    packet.writeUInt16BE(~onesComplementSum(packet, at, at + 20) & 0xffff, at + 10)
  }
}

type Option = readonly [code: number, value: Buffer]

function block(type: number, body: Buffer, options: readonly Option[]): Buffer {
  let optionsLength = 0
  for (const [, value] of options) optionsLength += 4 + ((value.length + 3) & ~3)
  if (options.length > 0) optionsLength += 4
  const total = 12 + body.length + optionsLength
  const bytes = Buffer.alloc(total)
  bytes.writeUInt32LE(type, 0)
  bytes.writeUInt32LE(total, 4)
  body.copy(bytes, 8)
  let at = 8 + body.length
  for (const [code, value] of options) {
    bytes.writeUInt16LE(code, at)
    bytes.writeUInt16LE(value.length, at + 2)
    value.copy(bytes, at + 4)
    at += 4 + ((value.length + 3) & ~3)
  }
  bytes.writeUInt32LE(total, total - 4)
  return bytes
}

/** The format has the two halves of a time in this order, whatever the order of bytes. */
function writeNs(body: Buffer, ns: bigint, at: number): void {
  body.writeUInt32LE(Number(ns >> 32n), at)
  body.writeUInt32LE(Number(ns & 0xffff_ffffn), at + 4)
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** Locally administered, with the end of the address in it: each host looks like one card. */
function writeMac(packet: Buffer, at: number, address: Buffer): void {
  packet.writeUInt16BE(0x0200, at)
  address.copy(packet, at + 2, address.length - 4)
}

function writeIPv6(packet: Buffer, at: number, from: Buffer, to: Buffer, length: number): void {
  packet.writeUInt32BE(0x6000_0000, at)
  packet.writeUInt16BE(length & 0xffff, at + 4)
  packet[at + 6] = TCP
  packet[at + 7] = TTL
  from.copy(packet, at + 8)
  to.copy(packet, at + 24)
}
