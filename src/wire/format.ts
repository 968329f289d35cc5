// One line per segment, as tcpdump prints it with -n.

import { ParseResult, parseSegment } from './codec.ts'
import { Flag } from './flags.ts'
import { EXID_FAST_OPEN, encodeOptions, OptionKind, readInt32, readUint16, userTimeoutSeconds } from './options.ts'
import { HEADER_LENGTH, MAX_OPTIONS_LENGTH, Segment } from './segment.ts'
import { type Seq, seqAdd, seqDiff } from './seq.ts'

export interface FormatOptions {
  /** Printed first, as it is. */
  time?: string
  /** Addresses without ports. Where both are absent only the ports are printed. */
  src?: string
  dst?: string
  /**
   * The sender's initial sequence number, and the other side's: what is printed is relative to them, so that the first byte
   * of data is 1. As with tcpdump, segments with SYN or without ACK show absolute numbers whatever the base.
   */
  seqBase?: Seq
  ackBase?: Seq
  /** The sequence number of segments without data too, as tcpdump prints it with `-vv`. */
  alwaysSeq?: boolean
}

/** tcpdump's order and letters. */
const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [Flag.FIN, 'F'],
  [Flag.SYN, 'S'],
  [Flag.RST, 'R'],
  [Flag.PSH, 'P'],
  [Flag.ACK, '.'],
  [Flag.URG, 'U'],
  [Flag.ECE, 'E'],
  [Flag.CWR, 'W'],
  [Flag.AE, 'e'],
]

const OPTION_NAMES: Readonly<Record<number, string>> = {
  [OptionKind.Eol]: 'eol',
  [OptionKind.Nop]: 'nop',
  [OptionKind.Mss]: 'mss',
  [OptionKind.WindowScale]: 'wscale',
  [OptionKind.SackPermitted]: 'sackOK',
  [OptionKind.Sack]: 'sack',
  [OptionKind.Timestamps]: 'TS',
  19: 'md5',
  [OptionKind.UserTimeout]: 'uto',
  29: 'tcp-ao',
  30: 'mptcp',
  [OptionKind.FastOpen]: 'tfo',
  [OptionKind.Experiment254]: 'exp',
}

/**
 * `seg` as a line without its end:
 *
 *     IP 10.0.0.1.80 > 10.0.0.2.4000: Flags [P.], seq 1:5, ack 1, win 64, options [nop,nop,TS val 1 ecr 2], length 4
 *
 * The options stand in the order in which we would write them, for a segment does not remember another.
 */
export function formatSegment(seg: Segment, options: FormatOptions = {}): string {
  const optionsEnd = encodeOptions(seg, optionBytes, 0)
  return formatParts(seg, optionBytes, 0, optionsEnd, options)
}

/** Whatever lies in `buffer[start … end)` as a line: options in their order with the unknown ones, faults named as tcpdump does. */
export function formatBytes(buffer: Buffer, start: number, end: number, options: FormatOptions = {}): string {
  const result = parseSegment(buffer, start, end, parsed)
  if (result === ParseResult.TooShort) return `${prefix(options, '', '')}[|tcp]`
  if (result === ParseResult.BadDataOffset) {
    const ports = prefix(options, String(readUint16(buffer, start)), String(readUint16(buffer, start + 2)))
    const headerLength = (buffer[start + 12] >> 4) << 2
    return headerLength < HEADER_LENGTH
      ? `${ports}tcp ${end - start - headerLength} [bad hdr length ${headerLength} - too short, < ${HEADER_LENGTH}]`
      : `${ports}[bad hdr length ${headerLength} - too long, > ${end - start}]`
  }
  const line = formatParts(parsed, buffer, start + HEADER_LENGTH, parsed.payloadStart, options)
  parsed.reset()
  return line
}

/** Flags as tcpdump writes them between brackets, `none` if there are none. */
export function formatFlags(flags: number): string {
  let text = ''
  for (const [flag, letter] of FLAG_LETTERS) {
    if ((flags & flag) !== 0) text += letter
  }
  return text === '' ? 'none' : text
}

function formatParts(
  seg: Segment,
  bytes: Buffer,
  optionsStart: number,
  optionsEnd: number,
  options: FormatOptions,
): string {
  const flags = seg.flags
  const length = seg.payloadLength
  const relative = (flags & Flag.ACK) !== 0 && (flags & Flag.SYN) === 0
  const seqBase = relative ? (options.seqBase ?? ZERO) : ZERO
  const ackBase = relative ? (options.ackBase ?? ZERO) : ZERO

  let line = `${prefix(options, String(seg.srcPort), String(seg.dstPort))}Flags [${formatFlags(flags)}]`
  if (length > 0 || options.alwaysSeq === true || (flags & (Flag.SYN | Flag.FIN | Flag.RST)) !== 0) {
    line += `, seq ${relativeTo(seqBase, seg.seq)}`
    if (length > 0) line += `:${relativeTo(seqBase, seqAdd(seg.seq, length))}`
  }
  if ((flags & Flag.ACK) !== 0) line += `, ack ${relativeTo(ackBase, seg.ack)}`
  line += `, win ${seg.wnd}`
  if ((flags & Flag.URG) !== 0) line += `, urg ${seg.urgentPointer}`
  if (optionsEnd > optionsStart) line += `, options [${formatOptions(bytes, optionsStart, optionsEnd, ackBase)}]`
  return `${line}, length ${length}`
}

function prefix(options: FormatOptions, srcPort: string, dstPort: string): string {
  const { time, src, dst } = options
  const when = time === undefined ? '' : `${time} `
  if (src === undefined && dst === undefined) return srcPort === '' ? when : `${when}${srcPort} > ${dstPort}: `
  const from = src ?? '?'
  const to = dst ?? '?'
  const dot = srcPort === '' ? '' : '.'
  return `${when}${from.includes(':') || to.includes(':') ? 'IP6' : 'IP'} ${from}${dot}${srcPort} > ${to}${dot}${dstPort}: `
}

function formatOptions(buffer: Buffer, start: number, end: number, ackBase: Seq): string {
  const texts: string[] = []
  let at = start
  while (at < end) {
    const kind = buffer[at]
    if (kind === OptionKind.Eol || kind === OptionKind.Nop) {
      texts.push(OPTION_NAMES[kind])
      if (kind === OptionKind.Eol) break
      at++
      continue
    }
    const length = at + 1 < end ? buffer[at + 1] : 0
    if (length < 2 || at + length > end) {
      texts.push('[bad opt]')
      break
    }
    texts.push((OPTION_NAMES[kind] ?? `unknown-${kind}`) + formatOptionValue(buffer, at, kind, length, ackBase))
    at += length
  }
  return texts.join(',')
}

/** What stands behind an option's name. A known kind of a wrong length says so, as tcpdump does. */
function formatOptionValue(buffer: Buffer, at: number, kind: number, length: number, ackBase: Seq): string {
  const value = at + 2
  switch (kind) {
    case OptionKind.Mss:
      return length === 4 ? ` ${readUint16(buffer, value)}` : `[len ${length}]`
    case OptionKind.WindowScale:
      return length === 3 ? ` ${buffer[value]}` : `[len ${length}]`
    case OptionKind.SackPermitted:
      return length === 2 ? '' : `[len ${length}]`
    case OptionKind.Sack:
      return formatSack(buffer, value, length - 2, ackBase)
    case OptionKind.Timestamps:
      return length === 10
        ? ` val ${readInt32(buffer, value) >>> 0} ecr ${readInt32(buffer, value + 4) >>> 0}`
        : `[len ${length}]`
    case OptionKind.UserTimeout: {
      if (length !== 4) return `[len ${length}]`
      const field = readUint16(buffer, value)
      // rfc5482#3: the granularity is the top bit. tcpdump 4.99 takes the lowest for it and prints other seconds.
      return ` 0x${field.toString(16)} ${userTimeoutSeconds(field)}`
    }
    case OptionKind.FastOpen:
      return ` ${formatCookie(buffer, value, at + length)}`
    case OptionKind.Experiment254: {
      if (length < 4) return `[len ${length}]`
      const exid = readUint16(buffer, value)
      return exid === EXID_FAST_OPEN
        ? `-tfo${formatCookie(buffer, value + 2, at + length)}`
        : `-${exid.toString(16).padStart(4, '0')}`
    }
    default:
      return length === 2 ? '' : ` 0x${buffer.toString('hex', value, at + length)}`
  }
}

function formatSack(buffer: Buffer, at: number, length: number, ackBase: Seq): string {
  if (length % 8 !== 0) return ' invalid sack'
  let text = ` ${length / 8} `
  for (let edge = at; edge < at + length; edge += 8) {
    const left = relativeTo(ackBase, readInt32(buffer, edge) as Seq)
    text += `{${left}:${relativeTo(ackBase, readInt32(buffer, edge + 4) as Seq)}}`
  }
  return text
}

function formatCookie(buffer: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 0) return ' cookiereq'
  return length % 2 !== 0 || length < 4 || length > 16 ? ' (invalid)' : ` cookie ${buffer.toString('hex', start, end)}`
}

const ZERO = 0 as Seq
/** Relative numbers are on the same circle: what lies before the base is large, not negative. */
const relativeTo = (base: Seq, seq: Seq): number => seqDiff(seq, base) >>> 0

const optionBytes: Buffer = Buffer.alloc(MAX_OPTIONS_LENGTH)
const parsed = new Segment()
