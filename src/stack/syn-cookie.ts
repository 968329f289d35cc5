import type { SynOptions } from '../tcp/index.ts'
import { type Seq, seqAdd, seqDiff, toSeq } from '../wire/index.ts'
import type { Random } from './random.ts'
import { Purpose, TurningHash } from './tuple-hash.ts'
import { localOf, remoteOf, type Tuple } from './tuples.ts'

// A handshake without memory (Bernstein 1996; linux: net/ipv4/syncookies.c): what the final ACK must show is put into the numbers that it
// echoes. The sequence number of the SYN-ACK is
//
//     hash1(tuple)  +  the peer's number  +  time << 24  +  (hash2(tuple, time) + size of segments) mod 2^24
//
// and the rest goes into the low bits of its timestamp, where the peer sent one:
//
//     shift of the peer's windows, 15 for none (4 bits) · SACK · ECN · our checksum offload

/** Segment sizes that a cookie can hold: of ordinary paths with and without tunnels, and of the larger ones on loopback. */
const SIZES = [536, 1220, 1300, 1428, 1448, 3560, 7656, 15_848, 32_232, 65_463] as const

/** linux: TCP_SYNCOOKIE_PERIOD and MAX_SYNCOOKIE_AGE: a cookie counts for two periods of about a minute. */
const PERIOD_US = 64_000_000
const MAX_AGE = 2
/** A cookie's last moment is so long after it was made at most. */
export const COOKIE_LIFE_US = PERIOD_US * MAX_AGE

const TIME_BITS = 24
const TIME_MASK = (1 << TIME_BITS) - 1

const NO_SCALING = 0xf
const SACK = 1 << 4
const ECN = 1 << 5
const OFFLOAD = 1 << 6
const OPTION_BITS = 7
const OPTION_MASK = (1 << OPTION_BITS) - 1

/** Secrets change after so many periods; the one before counts as long as its last cookies. */
const PERIODS_PER_SECRET = 8

/** The size that a cookie carries for a peer that announced `mss`: never more than that. */
function cookieSize(mss: number): number {
  let i = SIZES.length - 1
  while (i > 0 && SIZES[i] > mss) i--
  return i
}

/** The timestamp, in ticks and before its offset, of a SYN-ACK at `nowMs` that carries `options`; it is never later than now. */
export function cookieTimestamp(options: SynOptions, nowMs: number): number {
  const bits =
    (options.wscale < 0 ? NO_SCALING : options.wscale) |
    (options.sackPermitted ? SACK : 0) |
    (options.ecn ? ECN : 0) |
    (options.checksumOffload ? OFFLOAD : 0)
  const now = Math.floor(nowMs)
  const base = now - (now % (OPTION_MASK + 1)) + bits
  return base > now ? base - (OPTION_MASK + 1) : base
}

/** What a timestamp that comes back, its offset taken off, says of the options. */
export function cookieOptions(ticks: number): Pick<SynOptions, 'wscale' | 'sackPermitted' | 'checksumOffload' | 'ecn'> {
  const bits = ticks & OPTION_MASK
  const wscale = bits & NO_SCALING
  return {
    wscale: wscale === NO_SCALING ? -1 : wscale,
    sackPermitted: (bits & SACK) !== 0,
    checksumOffload: (bits & OFFLOAD) !== 0,
    ecn: (bits & ECN) !== 0,
  }
}

/** The sequence numbers of SYN cookies. */
export class SynCookies {
  readonly #hashes: TurningHash

  constructor(random: Random) {
    this.#hashes = new TurningHash(random)
  }

  /** Our number for a SYN with number `irs` from a peer that takes segments of `mss`. */
  make(tuple: Tuple, irs: Seq, mss: number, nowUs: number): Seq {
    const time = Math.floor(nowUs / PERIOD_US)
    this.#hashes.turn(generationOf(time))
    const mask = this.#mask(tuple, irs, time)
    if (mask === null) return irs
    const low = (mask.low + cookieSize(mss)) & TIME_MASK
    return toSeq(mask.high + irs + ((time & 0xff) << TIME_BITS) + low)
  }

  /** The segment size in the cookie of a handshake; 0 where it is none of ours, or too old. */
  check(tuple: Tuple, irs: Seq, iss: Seq, nowUs: number): number {
    const now = Math.floor(nowUs / PERIOD_US)
    this.#hashes.turn(generationOf(now))
    for (let age = 0; age < MAX_AGE; age++) {
      const time = now - age
      const mask = time < 0 ? null : this.#mask(tuple, irs, time)
      if (mask === null) continue
      const rest = seqDiff(iss, seqAdd(toSeq(mask.high), irs))
      if (((rest >>> TIME_BITS) & 0xff) !== (time & 0xff)) continue
      const index = ((rest & TIME_MASK) - mask.low) & TIME_MASK
      if (index < SIZES.length) return SIZES[index] as number
    }
    return 0
  }

  /** The two hashes of a cookie, under the secret of its time; null where that is forgotten. */
  #mask(tuple: Tuple, irs: Seq, time: number): { high: number; low: number } | null {
    const { localAddress, remoteAddress, udpPorts, tcpPorts } = tuple
    const hash = this.#hashes.of(generationOf(time))
    if (hash === null) return null
    const [local, remote] = [localOf(tcpPorts), remoteOf(tcpPorts)]
    hash.hash(Purpose.SynCookie, `${udpPorts} ${localAddress}`, local, remoteAddress, remote)
    const high = hash.lo
    hash.hash(Purpose.SynCookie, `${time} ${irs} ${udpPorts} ${localAddress}`, local, remoteAddress, remote)
    return { high, low: hash.lo & TIME_MASK }
  }
}

/** Which secret is that of a time, in periods. */
const generationOf = (time: number): number => Math.floor(time / PERIODS_PER_SECRET)
