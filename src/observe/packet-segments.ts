import { FrameKind, FrameResult, FrameView, nextFrame } from '../wire/index.ts'
import { type AddressFamily, formatAddress } from './address.ts'
import type { CapturedPacket } from './capture-reader.ts'

/** A TCP segment found in a packet: plain, or one of ours inside UDP. */
export interface PacketSegment {
  readonly packet: CapturedPacket
  readonly family: AddressFamily
  readonly source: string
  readonly destination: string
  /** What was kept of the segment is `buffer[start … end)`; it was `length` bytes long. */
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly length: number
  /** Where the IP header begins. */
  readonly ipStart: number
  /** It was found inside UDP between these ports. */
  readonly udpPorts: readonly [number, number] | null
}

const LINK = { null: 0, ethernet: 1, raw: 101, loop: 108, cooked: 113, ipv4: 228, ipv6: 229, cooked2: 276, rawBsd: 12 }
const TCP = 6
const UDP = 17

/** The TCP segments of a packet: none, one, or as many as frames share a datagram. */
export function* segmentsOf(packet: CapturedPacket): Generator<PacketSegment> {
  const { data } = packet
  const at = ipStart(packet)
  if (at < 0 || at >= data.length) return
  const ip = data[at] >> 4 === 4 ? readIPv4(data, at) : data[at] >> 4 === 6 ? readIPv6(data, at) : null
  if (ip === null) return
  const common = { packet, family: ip.family, source: ip.source, destination: ip.destination, ipStart: at }
  const end = Math.min(data.length, ip.payload + ip.length)
  if (ip.protocol === TCP) {
    yield { ...common, buffer: data, start: ip.payload, end, length: ip.length, udpPorts: null }
  } else if (ip.protocol === UDP && ip.payload + 8 <= end) {
    const udpPorts = [data.readUInt16BE(ip.payload), data.readUInt16BE(ip.payload + 2)] as const
    for (let from = ip.payload + 8; nextFrame(data, from, end, view) === FrameResult.Frame; from = view.next) {
      const { kind, start, end: frameEnd } = view
      if (kind !== FrameKind.Segment) continue
      yield { ...common, buffer: data, start, end: frameEnd, length: frameEnd - start, udpPorts }
    }
  }
}

const view = new FrameView()

/** Behind the link's header; -1: nothing that we know. */
function ipStart({ linkType, data }: CapturedPacket): number {
  switch (linkType) {
    case LINK.raw:
    case LINK.rawBsd:
    case LINK.ipv4:
    case LINK.ipv6:
      return 0
    case LINK.null:
    case LINK.loop:
      return 4
    case LINK.cooked:
      return 16
    case LINK.cooked2:
      return 20
    case LINK.ethernet: {
      if (data.length < 14) return -1
      const type = data.readUInt16BE(12)
      // 802.1Q
      return type === 0x8100 ? 18 : type === 0x0800 || type === 0x86dd ? 14 : -1
    }
    default:
      return -1
  }
}

interface Ip {
  readonly family: AddressFamily
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly payload: number
  readonly length: number
}

function readIPv4(data: Buffer, at: number): Ip | null {
  if (at + 20 > data.length) return null
  const header = (data[at] & 15) << 2
  return {
    family: 'IPv4',
    source: formatAddress(data.subarray(at + 12, at + 16)),
    destination: formatAddress(data.subarray(at + 16, at + 20)),
    protocol: data[at + 9],
    payload: at + header,
    length: Math.max(0, data.readUInt16BE(at + 2) - header),
  }
}

function readIPv6(data: Buffer, at: number): Ip | null {
  if (at + 40 > data.length) return null
  return {
    family: 'IPv6',
    source: formatAddress(data.subarray(at + 8, at + 24)),
    destination: formatAddress(data.subarray(at + 24, at + 40)),
    protocol: data[at + 6],
    payload: at + 40,
    length: data.readUInt16BE(at + 4),
  }
}
