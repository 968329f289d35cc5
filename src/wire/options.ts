// The options of a TCP header: which bytes they are, reading and writing them. Numbers are put together byte by byte: a whole
// header is then parsed in some 25 ns where readInt32BE, which checks its bounds each time, needs 100 (Node 20).

import { MAX_OPTIONS_LENGTH, type Segment } from './segment.ts'
import type { Seq } from './seq.ts'

/** Option kinds as IANA assigns them. */
export const OptionKind = {
  /** End of list, rfc9293#3.2. */
  Eol: 0,
  /** No operation, rfc9293#3.2. */
  Nop: 1,
  /** rfc9293#3.7.1. */
  Mss: 2,
  /** rfc7323#2. */
  WindowScale: 3,
  /** rfc2018#2. */
  SackPermitted: 4,
  /** rfc2018#3. */
  Sack: 5,
  /** rfc7323#3. */
  Timestamps: 8,
  /** rfc5482#3. */
  UserTimeout: 28,
  /** rfc7413#4.1.1. */
  FastOpen: 34,
  /** Shared by experiments, told apart by the 16 bits that follow the length (rfc6994). */
  Experiment253: 253,
  Experiment254: 254,
} as const

/** The ExID of Fast Open before it was given kind 34; always under kind 254, as Linux wrote it. */
export const EXID_FAST_OPEN = 0xf989
/** ours: the ExID of the offer to leave checksums to UDP, under kind 253. */
const EXID_CHECKSUM_OFFLOAD = 0x5c1e

/** rfc7323#2.3: a larger shift is taken as 14, so that a window stays below 2^30. */
export const MAX_WINDOW_SHIFT = 14
/** rfc7413#4.1.1: a cookie has 4 to 16 bytes and an even number of them. */
const MIN_COOKIE_LENGTH = 4
const MAX_COOKIE_LENGTH = 16

const EOL = OptionKind.Eol
const NOP = OptionKind.Nop

const MSS_LENGTH = 4
const WINDOW_SCALE_LENGTH = 3
const SACK_PERMITTED_LENGTH = 2
const SACK_BASE_LENGTH = 2
const SACK_BLOCK_LENGTH = 8
const TIMESTAMPS_LENGTH = 10
const USER_TIMEOUT_LENGTH = 4
const FAST_OPEN_BASE_LENGTH = 2
const EXPERIMENT_BASE_LENGTH = 4
/** Timestamps between two NOPs, the only options of nearly every segment. */
const ALIGNED_TIMESTAMPS_LENGTH = 12
/** SACK before its first block, between two NOPs. */
const ALIGNED_SACK_BASE_LENGTH = 4

/** `01 01 08 0a` as int32: how Linux, the BSDs and we begin the options of an established connection. */
const NOP_NOP_TIMESTAMPS = (NOP << 24) | (NOP << 16) | (OptionKind.Timestamps << 8) | TIMESTAMPS_LENGTH

// ------------------------------------------------------------------------------------------------------- reading

/**
 * Reads the options in `buffer[start … end)` into `seg`, whose options were cleared before. False where a length is less than
 * 2 or overruns the header; what stood before it has been read. The cookie of Fast Open is a view of `buffer`.
 */
export function parseOptions(buffer: Buffer, start: number, end: number, seg: Segment): boolean {
  if (end - start === ALIGNED_TIMESTAMPS_LENGTH && readInt32(buffer, start) === NOP_NOP_TIMESTAMPS) {
    seg.hasTimestamps = true
    seg.tsVal = readInt32(buffer, start + 4) as Seq
    seg.tsEcr = readInt32(buffer, start + 8) as Seq
    return true
  }
  let at = start
  while (at < end) {
    const kind = buffer[at]
    if (kind === EOL) return true
    if (kind === NOP) {
      at++
      continue
    }
    // rfc9293#3.1 MUST-68: everything else has a length, so that what is not known can be stepped over.
    if (at + 1 >= end) return false
    const length = buffer[at + 1]
    if (length < 2 || at + length > end) return false
    parseOption(buffer, at, kind, length, seg)
    at += length
  }
  return true
}

/** linux: a known option of a wrong length is passed over as an unknown one is. Of two alike the later counts. */
function parseOption(buffer: Buffer, at: number, kind: number, length: number, seg: Segment): void {
  switch (kind) {
    case OptionKind.Mss: {
      if (length !== MSS_LENGTH) return
      const mss = readUint16(buffer, at + 2)
      // linux: an MSS of 0 says nothing.
      if (mss !== 0) seg.mss = mss
      return
    }
    case OptionKind.WindowScale:
      if (length !== WINDOW_SCALE_LENGTH) return
      seg.wscale = Math.min(buffer[at + 2], MAX_WINDOW_SHIFT)
      return
    case OptionKind.SackPermitted:
      if (length === SACK_PERMITTED_LENGTH) seg.sackPermitted = true
      return
    case OptionKind.Sack:
      parseSack(buffer, at + SACK_BASE_LENGTH, length - SACK_BASE_LENGTH, seg)
      return
    case OptionKind.Timestamps:
      if (length !== TIMESTAMPS_LENGTH) return
      seg.hasTimestamps = true
      seg.tsVal = readInt32(buffer, at + 2) as Seq
      seg.tsEcr = readInt32(buffer, at + 6) as Seq
      return
    case OptionKind.UserTimeout:
      if (length === USER_TIMEOUT_LENGTH) seg.userTimeout = readUint16(buffer, at + 2)
      return
    case OptionKind.FastOpen:
      parseCookie(buffer, at + FAST_OPEN_BASE_LENGTH, at + length, false, seg)
      return
    case OptionKind.Experiment253:
      if (length === EXPERIMENT_BASE_LENGTH && readUint16(buffer, at + 2) === EXID_CHECKSUM_OFFLOAD) {
        seg.checksumOffload = true
      }
      return
    case OptionKind.Experiment254:
      if (length >= EXPERIMENT_BASE_LENGTH && readUint16(buffer, at + 2) === EXID_FAST_OPEN) {
        parseCookie(buffer, at + EXPERIMENT_BASE_LENGTH, at + length, true, seg)
      }
      return
  }
}

/** A header has no room for more than four blocks, so `seg.sack` cannot overflow. */
function parseSack(buffer: Buffer, at: number, length: number, seg: Segment): void {
  if (length === 0 || length % SACK_BLOCK_LENGTH !== 0) return
  const sack = seg.sack
  const edges = length >> 2
  for (let i = 0; i < edges; i++) sack[i] = readInt32(buffer, at + (i << 2))
  seg.sackCount = edges >> 1
}

function parseCookie(buffer: Buffer, start: number, end: number, experimental: boolean, seg: Segment): void {
  const length = end - start
  if (!isCookieLength(length)) return
  seg.fastOpenCookie = buffer.subarray(start, end)
  seg.fastOpenExperimental = experimental
}

/** A length of 0 asks for a cookie. */
function isCookieLength(length: number): boolean {
  return length === 0 || (length >= MIN_COOKIE_LENGTH && length <= MAX_COOKIE_LENGTH && (length & 1) === 0)
}

// ------------------------------------------------------------------------------------------------------- writing

/** Whether nothing but timestamps, or nothing at all, is to be written. */
function isPlain(seg: Segment): boolean {
  return (
    seg.sackCount === 0 &&
    seg.mss < 0 &&
    seg.wscale < 0 &&
    !seg.sackPermitted &&
    seg.fastOpenCookie === null &&
    seg.userTimeout < 0 &&
    !seg.checksumOffload
  )
}

/**
 * Bytes that the options held by `seg` will take, a multiple of 4 and at most 40. Where that is too little, SACK blocks give
 * way first, from the last on, then our own offer, the user timeout and the cookie, each whole.
 */
export function optionsLength(seg: Segment): number {
  if (isPlain(seg)) return seg.hasTimestamps ? ALIGNED_TIMESTAMPS_LENGTH : 0
  const length = lengthWithoutSack(seg)
  return length + sackLength(sackBlocksThatFit(seg, length))
}

/** How many of `seg.sackCount` blocks leave, behind `length` bytes of other options: never more than four find room. */
function sackBlocksThatFit(seg: Segment, length: number): number {
  const room = MAX_OPTIONS_LENGTH - length - ALIGNED_SACK_BASE_LENGTH
  return room < 0 ? 0 : Math.min(seg.sackCount, (room / SACK_BLOCK_LENGTH) | 0)
}

const sackLength = (blocks: number): number =>
  blocks === 0 ? 0 : ALIGNED_SACK_BASE_LENGTH + blocks * SACK_BLOCK_LENGTH

/** Together at most 20 bytes: they always fit. */
function basicLength(seg: Segment): number {
  let length = 0
  if (seg.mss >= 0) length += MSS_LENGTH
  if (seg.hasTimestamps) length += ALIGNED_TIMESTAMPS_LENGTH
  else if (seg.sackPermitted) length += 4
  if (seg.wscale >= 0) length += 4
  return length
}

function cookieLength(seg: Segment): number {
  const cookie = seg.fastOpenCookie
  if (cookie === null) return 0
  return ((seg.fastOpenExperimental ? EXPERIMENT_BASE_LENGTH : FAST_OPEN_BASE_LENGTH) + cookie.length + 3) & ~3
}

function lengthWithoutSack(seg: Segment): number {
  let length = basicLength(seg)
  const cookie = cookieLength(seg)
  if (length + cookie <= MAX_OPTIONS_LENGTH) length += cookie
  if (seg.userTimeout >= 0 && length + USER_TIMEOUT_LENGTH <= MAX_OPTIONS_LENGTH) length += USER_TIMEOUT_LENGTH
  if (seg.checksumOffload && length + EXPERIMENT_BASE_LENGTH <= MAX_OPTIONS_LENGTH) length += EXPERIMENT_BASE_LENGTH
  return length
}

/**
 * Writes the options of `seg` at `at`, `optionsLength(seg)` bytes, and returns how many. linux: the layout is the kernel's, so
 * that every option starts where its words are aligned and no fingerprint of ours stands out:
 *
 *     SYN           MSS · SACKOK TS, or NOP NOP TS, or NOP NOP SACKOK · NOP WS · Fast Open NOP NOP
 *     established   NOP NOP TS · NOP NOP SACK
 */
export function encodeOptions(seg: Segment, buffer: Buffer, at: number): number {
  if (isPlain(seg)) {
    if (!seg.hasTimestamps) return 0
    writeTimestamps(seg, buffer, at)
    return ALIGNED_TIMESTAMPS_LENGTH
  }
  return encodeMixedOptions(seg, buffer, at)
}

function encodeMixedOptions(seg: Segment, buffer: Buffer, start: number): number {
  const blocks = sackBlocksThatFit(seg, lengthWithoutSack(seg))
  let at = start
  if (seg.mss >= 0) {
    buffer[at] = OptionKind.Mss
    buffer[at + 1] = MSS_LENGTH
    writeUint16(buffer, at + 2, seg.mss)
    at += MSS_LENGTH
  }
  if (seg.hasTimestamps) {
    writeTimestamps(seg, buffer, at)
    if (seg.sackPermitted) writeSackPermitted(buffer, at)
    at += ALIGNED_TIMESTAMPS_LENGTH
  } else if (seg.sackPermitted) {
    buffer[at] = NOP
    buffer[at + 1] = NOP
    writeSackPermitted(buffer, at + 2)
    at += 4
  }
  if (seg.wscale >= 0) {
    buffer[at] = NOP
    buffer[at + 1] = OptionKind.WindowScale
    buffer[at + 2] = WINDOW_SCALE_LENGTH
    buffer[at + 3] = seg.wscale
    at += 4
  }
  if (blocks > 0) at = writeSack(seg, blocks, buffer, at)
  if (seg.fastOpenCookie !== null && at - start + cookieLength(seg) <= MAX_OPTIONS_LENGTH) {
    at = writeCookie(seg.fastOpenCookie, seg.fastOpenExperimental, buffer, at)
  }
  if (seg.userTimeout >= 0 && at - start + USER_TIMEOUT_LENGTH <= MAX_OPTIONS_LENGTH) {
    buffer[at] = OptionKind.UserTimeout
    buffer[at + 1] = USER_TIMEOUT_LENGTH
    writeUint16(buffer, at + 2, seg.userTimeout)
    at += USER_TIMEOUT_LENGTH
  }
  if (seg.checksumOffload && at - start + EXPERIMENT_BASE_LENGTH <= MAX_OPTIONS_LENGTH) {
    buffer[at] = OptionKind.Experiment253
    buffer[at + 1] = EXPERIMENT_BASE_LENGTH
    writeUint16(buffer, at + 2, EXID_CHECKSUM_OFFLOAD)
    at += EXPERIMENT_BASE_LENGTH
  }
  return at - start
}

function writeTimestamps(seg: Segment, buffer: Buffer, at: number): void {
  buffer[at] = NOP
  buffer[at + 1] = NOP
  buffer[at + 2] = OptionKind.Timestamps
  buffer[at + 3] = TIMESTAMPS_LENGTH
  writeInt32(buffer, at + 4, seg.tsVal)
  writeInt32(buffer, at + 8, seg.tsEcr)
}

function writeSackPermitted(buffer: Buffer, at: number): void {
  buffer[at] = OptionKind.SackPermitted
  buffer[at + 1] = SACK_PERMITTED_LENGTH
}

function writeSack(seg: Segment, blocks: number, buffer: Buffer, at: number): number {
  buffer[at] = NOP
  buffer[at + 1] = NOP
  buffer[at + 2] = OptionKind.Sack
  buffer[at + 3] = SACK_BASE_LENGTH + blocks * SACK_BLOCK_LENGTH
  const edges = blocks * 2
  for (let i = 0; i < edges; i++) writeInt32(buffer, at + ALIGNED_SACK_BASE_LENGTH + (i << 2), seg.sack[i])
  return at + sackLength(blocks)
}

function writeCookie(cookie: Buffer, experimental: boolean, buffer: Buffer, start: number): number {
  let at = start
  if (experimental) {
    buffer[at] = OptionKind.Experiment254
    buffer[at + 1] = EXPERIMENT_BASE_LENGTH + cookie.length
    writeUint16(buffer, at + 2, EXID_FAST_OPEN)
    at += EXPERIMENT_BASE_LENGTH
  } else {
    buffer[at] = OptionKind.FastOpen
    buffer[at + 1] = FAST_OPEN_BASE_LENGTH + cookie.length
    at += FAST_OPEN_BASE_LENGTH
  }
  for (let i = 0; i < cookie.length; i++) buffer[at++] = cookie[i]
  while (((at - start) & 3) !== 0) buffer[at++] = NOP
  return at
}

// --------------------------------------------------------------------------------------------------- user timeout

/** Seconds meant by the field of a user timeout option: minutes where its top bit is set (rfc5482#3). */
export const userTimeoutSeconds = (field: number): number =>
  (field & 0x8000) !== 0 ? (field & 0x7fff) * 60 : field & 0x7fff

/** The field for a timeout of so many seconds: rounded up to whole minutes where seconds do not fit, at most 32,767 minutes. */
export function userTimeoutField(seconds: number): number {
  const whole = Math.max(0, Math.ceil(seconds))
  return whole <= 0x7fff ? whole : 0x8000 | Math.min(0x7fff, Math.ceil(whole / 60))
}

// --------------------------------------------------------------------------------------------------------- numbers

export const readUint16 = (buffer: Buffer, at: number): number => (buffer[at] << 8) | buffer[at + 1]

export const readInt32 = (buffer: Buffer, at: number): number =>
  (buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]

export function writeUint16(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >> 8
  buffer[at + 1] = value
}

export function writeInt32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >> 24
  buffer[at + 1] = value >> 16
  buffer[at + 2] = value >> 8
  buffer[at + 3] = value
}
