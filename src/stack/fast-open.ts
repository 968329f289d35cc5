import type { Path } from '../tunnel/index.ts'
import type { Random } from './random.ts'
import { Purpose, type TupleHash, TurningHash } from './tuple-hash.ts'

/** rfc7413#4.1.1: 4 to 16 bytes; Linux's have eight. */
const COOKIE_LENGTH = 8
/** rfc7413#4.1.2: keys change, and the one before counts as long. */
const KEY_LIFE_US = 3_600_000_000
/** Peers remembered by a client; the one longest unused goes first. */
const MOST_PEERS = 1024
/** linux: tcp_fastopen_cookie_check; after SYNs that were lost, no data in a SYN for a minute, then two, four … */
const LOSS_PAUSE_US = 60_000_000

/** What is done with the cookie of a SYN. */
export const CookieVerdict = {
  Wrong: 0,
  Right: 1,
  /** Right by the key before: accepted, and a new one given. */
  Old: 2,
} as const
export type CookieVerdict = (typeof CookieVerdict)[keyof typeof CookieVerdict]

/** The cookies that a server gives out (rfc7413#4.1.2): a keyed hash of both addresses. */
export class FastOpenKeys {
  readonly #hashes: TurningHash

  constructor(random: Random) {
    this.#hashes = new TurningHash(random)
  }

  cookie(path: Path, nowUs: number): Buffer {
    const generation = generationOf(nowUs)
    this.#hashes.turn(generation)
    return this.#cookie(path, this.#hashes.of(generation) as TupleHash)
  }

  check(cookie: Buffer, path: Path, nowUs: number): CookieVerdict {
    if (cookie.length !== COOKIE_LENGTH) return CookieVerdict.Wrong
    if (cookie.equals(this.cookie(path, nowUs))) return CookieVerdict.Right
    const before = this.#hashes.of(generationOf(nowUs) - 1)
    return before !== null && cookie.equals(this.#cookie(path, before)) ? CookieVerdict.Old : CookieVerdict.Wrong
  }

  #cookie({ localAddress, remoteAddress }: Path, hash: TupleHash): Buffer {
    hash.hash(Purpose.FastOpenCookie, localAddress, 0, remoteAddress, 0)
    const cookie = Buffer.alloc(COOKIE_LENGTH)
    cookie.writeInt32LE(hash.lo, 0)
    cookie.writeInt32LE(hash.hi, 4)
    return cookie
  }
}

const generationOf = (nowUs: number): number => Math.floor(nowUs / KEY_LIFE_US)

interface Peer {
  cookie: Buffer | null
  /** What it takes in a segment. */
  mss: number
  /** SYNs with data or cookie that were lost in a row, and when the last was. */
  losses: number
  lostUs: number
}

const EMPTY = Buffer.alloc(0)

/** The cookies that a client was given, by the address of who gave them (rfc7413#4.1.3). */
export class FastOpenCache {
  readonly #peers = new Map<string, Peer>()

  /** What to put into a SYN: a cookie, and how much data with it; an empty one asks for one; null: leave it. */
  forSyn(address: string, nowUs: number): { cookie: Buffer; mss: number } | null {
    const peer = this.#peers.get(address)
    if (peer === undefined) return { cookie: EMPTY, mss: 0 }
    if (peer.losses > 1 && nowUs - peer.lostUs < LOSS_PAUSE_US * 2 ** Math.min(peer.losses, 10)) return null
    return peer.cookie === null ? { cookie: EMPTY, mss: 0 } : { cookie: peer.cookie, mss: peer.mss }
  }

  /** A SYN-ACK brought a cookie. */
  learn(address: string, cookie: Buffer, mss: number): void {
    this.#put(address, { cookie, mss, losses: 0, lostUs: 0 })
  }

  /** The SYN was not answered in time: a firewall may not like what is in it. */
  lost(address: string, nowUs: number): void {
    const peer = this.#peers.get(address)
    this.#put(address, {
      cookie: peer?.cookie ?? null,
      mss: peer?.mss ?? 0,
      losses: (peer?.losses ?? 0) + 1,
      lostUs: nowUs,
    })
  }

  #put(address: string, peer: Peer): void {
    this.#peers.delete(address)
    this.#peers.set(address, peer)
    if (this.#peers.size <= MOST_PEERS) return
    const [oldest] = this.#peers.keys()
    if (oldest !== undefined) this.#peers.delete(oldest)
  }
}
