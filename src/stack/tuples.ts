import type { Path } from '../tunnel/index.ts'
import type { Random } from './random.ts'
import { Purpose, TupleHash } from './tuple-hash.ts'

/** Two ports in one small integer. */
export const portPair = (local: number, remote: number): number => (local << 16) | remote
export const localOf = (pair: number): number => pair >>> 16
export const remoteOf = (pair: number): number => pair & 0xffff

/** What tells a connection from all others: enough to know it again when the path that it came by is long gone. */
export interface Tuple {
  readonly localAddress: string
  readonly remoteAddress: string
  /** Of the datagrams: `portPair`. */
  readonly udpPorts: number
  /** Of the segments. */
  readonly tcpPorts: number
}

/** An entry of a {@link TupleTable}. */
export interface TupleRecord extends Tuple {
  /** Set by the table. */
  hash: number
  chain: this | null
}

/**
 * Records of connections that are not there yet, or no more, by tuple. The key of the map is one small integer, and records that share it are
 * chained: a key of text would weigh as much as the record.
 */
export class TupleTable<Item extends TupleRecord> {
  readonly #items = new Map<number, Item>()
  size = 0

  /** `hash` is that of the tuple: see {@link TupleHashes}. */
  get(hash: number, tuple: Tuple): Item | undefined {
    let item: Item | null | undefined = this.#items.get(hash)
    while (item != null && !isSame(item, tuple)) item = item.chain
    return item ?? undefined
  }

  add(hash: number, item: Item): void {
    item.hash = hash
    item.chain = this.#items.get(hash) ?? null
    this.#items.set(hash, item)
    this.size++
  }

  /** False: it was not there. */
  delete(item: Item): boolean {
    const first = this.#items.get(item.hash)
    if (first === undefined) return false
    if (first === item) {
      if (item.chain === null) this.#items.delete(item.hash)
      else this.#items.set(item.hash, item.chain)
    } else {
      let before: Item = first
      while (before.chain !== item) {
        if (before.chain === null) return false
        before = before.chain
      }
      before.chain = item.chain
    }
    item.chain = null
    this.size--
    return true
  }

  *[Symbol.iterator](): Generator<Item> {
    for (const first of this.#items.values())
      for (let item: Item | null = first; item !== null; item = item.chain) yield item
  }
}

function isSame(a: Tuple, b: Tuple): boolean {
  return (
    a.tcpPorts === b.tcpPorts &&
    a.udpPorts === b.udpPorts &&
    a.remoteAddress === b.remoteAddress &&
    a.localAddress === b.localAddress
  )
}

/** Hashes of tuples that nobody outside can make collide. */
export class TupleHashes {
  readonly #hash: TupleHash

  constructor(random: Random) {
    this.#hash = new TupleHash(random.secret(16))
  }

  /** Of all that a path's tuples have in common. */
  ofPath({ localAddress, localPort, remoteAddress, remotePort }: Path): number {
    this.#hash.hash(Purpose.Tuple, localAddress, localPort, remoteAddress, remotePort)
    return this.#hash.lo
  }
}

/** The hash of a tuple, from its path's: no two tuples of one path share theirs. */
export const tupleHash = (ofPath: number, tcpPorts: number): number => (ofPath + Math.imul(tcpPorts, 0x9e37_79b1)) | 0
