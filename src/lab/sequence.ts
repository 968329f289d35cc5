import type { PacketSegment } from '../observe/index.ts'
import { ParseResult, parseSegment, Segment, type Seq, seqDiff } from '../wire/index.ts'

/** A segment of the direction that is drawn, from its first byte to behind its last, counted from the SYN. */
export interface Stretch {
  readonly t: number
  readonly low: number
  readonly high: number
  readonly kind: 'data' | 'again' | 'control'
  /** It was not let through. */
  readonly lost: boolean
}

/** What a time-sequence graph shows: times in seconds, numbers in bytes from the first SYN. */
export interface SequenceData {
  readonly title: string
  readonly segments: readonly Stretch[]
  /** The other side's acknowledgements, and the right edge of the window that it offered with each. */
  readonly acks: readonly { readonly t: number; readonly ack: number }[]
  readonly windows: readonly { readonly t: number; readonly edge: number }[]
  readonly sacks: readonly { readonly t: number; readonly low: number; readonly high: number }[]
}

const FIN = 1
const SYN = 2
const ACK = 16

interface Way {
  readonly source: string
  readonly destination: string
  bytes: number
}

const ends = ({ source, destination }: PacketSegment, segment: Segment): { source: string; destination: string } => ({
  source: `${source}:${segment.srcPort}`,
  destination: `${destination}:${segment.dstPort}`,
})

/** The ways of a capture: each direction of each connection, those with most data first. */
function waysOf(found: readonly PacketSegment[]): readonly Way[] {
  const ways = new Map<string, Way>()
  for (const one of found) {
    if (!parse(one)) continue
    const { source, destination } = ends(one, parsed)
    const key = `${source} > ${destination}`
    const way = ways.get(key) ?? { source, destination, bytes: 0 }
    way.bytes += Math.max(0, one.length - (parsed.payloadStart - one.start))
    ways.set(key, way)
  }
  return [...ways.values()].sort((a, b) => b.bytes - a.bytes)
}

/** What to draw of the direction with most data, as its sender saw it: the capture is to be taken there. Null: there is no segment. */
export function sequenceOf(found: readonly PacketSegment[]): SequenceData | null {
  const [way] = waysOf(found)
  if (way === undefined) return null
  const segments: Stretch[] = []
  const acks: { t: number; ack: number }[] = []
  const windows: { t: number; edge: number }[] = []
  const sacks: { t: number; low: number; high: number }[] = []
  let iss: Seq | null = null
  let highest = 0
  let shift = 0
  let startNs: bigint | null = null
  for (const one of found) {
    if (!parse(one)) continue
    const { source, destination } = ends(one, parsed)
    const goes = source === way.source && destination === way.destination
    const comes = source === way.destination && destination === way.source
    if (!goes && !comes) continue
    startNs ??= one.packet.ns
    const t = Number(one.packet.ns - startNs) / 1e9
    const { flags, seq } = parsed
    const lost = one.packet.interfaceName === 'dropped'
    if (goes) {
      iss ??= seq
      const payload = one.length - (parsed.payloadStart - one.start)
      const control = (flags & (SYN | FIN)) !== 0
      if (payload <= 0 && !control) continue
      const low = seqDiff(seq, iss)
      const high = low + payload + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
      const kind = low < highest ? 'again' : control && payload === 0 ? 'control' : 'data'
      segments.push({ t, low, high, kind, lost })
      highest = Math.max(highest, high)
    } else if (!lost && (flags & ACK) !== 0 && iss !== null) {
      if ((flags & SYN) !== 0) shift = Math.max(0, parsed.wscale)
      const ack = seqDiff(parsed.ack, iss)
      acks.push({ t, ack })
      windows.push({ t, edge: ack + parsed.wnd * 2 ** ((flags & SYN) !== 0 ? 0 : shift) })
      for (let i = 0; i < parsed.sackCount; i++) {
        const low = seqDiff(parsed.sack[2 * i] as Seq, iss)
        sacks.push({ t, low, high: seqDiff(parsed.sack[2 * i + 1] as Seq, iss) })
      }
    }
  }
  return { title: `${way.source} → ${way.destination}`, segments, acks, windows, sacks }
}

const parsed = new Segment()

function parse({ buffer, start, end }: PacketSegment): boolean {
  const result = parseSegment(buffer, start, end, parsed)
  return result === ParseResult.Ok || result === ParseResult.BadOption
}
