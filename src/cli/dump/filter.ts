import { BlockList, isIP } from 'node:net'
import type { PacketSegment } from '../../observe/index.ts'

/** Whether a segment is wanted. */
export type Filter = (segment: PacketSegment) => boolean

/** The filter is no filter of ours: `message` says what is wrong with it. */
export class FilterError extends Error {}

/** Bits of the flags field, by the names that pcap-filter(7) has for them. */
const FLAGS: Readonly<Record<string, number>> = {
  'tcp-fin': 1,
  'tcp-syn': 2,
  'tcp-rst': 4,
  'tcp-push': 8,
  'tcp-ack': 16,
  'tcp-urg': 32,
  'tcp-ece': 64,
  'tcp-cwr': 128,
}
const OFFSETS: Readonly<Record<string, number>> = { tcpflags: 13 }
const WORDS = /::[\da-f:.]*|\(|\)|\[|\]|&&|\|\||!=|==|>=|<=|[!=<>&|]|[^\s()[\]&|!=<>]+/gi

/**
 * A filter in the words of pcap-filter(7), as far as they are about TCP: `host`, `net`, `port`, `portrange` with `src` or `dst`, `ip`,
 * `ip6`, `tcp`, `less`, `greater`, `tcp[…] & … != 0`, joined by `and`, `or`, `not` and parentheses. Beyond it `dropped`: what was
 * not let through. Throws a `FilterError`.
 */
export function parseFilter(text: string): Filter {
  const parser = new Parser(text.match(WORDS) ?? [])
  return parser.isOver ? () => true : parser.all()
}

class Parser {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  get isOver(): boolean {
    return this.#at >= this.#words.length
  }

  all(): Filter {
    const filter = this.#or()
    if (!this.isOver) throw new FilterError(`${JSON.stringify(this.#words[this.#at])} is not understood here`)
    return filter
  }

  #or(): Filter {
    let filter = this.#and()
    while (this.#takes('or', '||')) {
      const [left, right] = [filter, this.#and()]
      filter = (segment) => left(segment) || right(segment)
    }
    return filter
  }

  #and(): Filter {
    let filter = this.#not()
    while (this.#takes('and', '&&')) {
      const [left, right] = [filter, this.#not()]
      filter = (segment) => left(segment) && right(segment)
    }
    return filter
  }

  #not(): Filter {
    if (this.#takes('not', '!')) {
      const inner = this.#not()
      return (segment) => !inner(segment)
    }
    if (this.#takes('(')) {
      const inner = this.#or()
      this.#expect(')')
      return inner
    }
    return this.#primitive()
  }

  #primitive(): Filter {
    if (this.#peek() === 'tcp' && this.#words[this.#at + 1] === '[') return this.#bytes()
    if (this.#takes('dropped')) return ({ packet }) => packet.interfaceName === 'dropped'
    if (this.#takes('less')) return this.#length((length, limit) => length <= limit)
    if (this.#takes('greater')) return this.#length((length, limit) => length >= limit)
    // A protocol may stand before what it is meant for: `tcp port 80`.
    const family = this.#takes('ip') ? 'IPv4' : this.#takes('ip6') ? 'IPv6' : null
    const isProtocol = this.#takes('tcp') || family !== null
    const side = this.#side()
    if (isProtocol && side === null && !this.#isKind()) return (segment) => family === null || segment.family === family
    const filter = this.#ends(side)
    return family === null ? filter : (segment) => segment.family === family && filter(segment)
  }

  #isKind(): boolean {
    return ['host', 'port', 'portrange', 'net'].includes(this.#peek() ?? '')
  }

  #side(): 'src' | 'dst' | 'both' | null {
    if (this.#takes('src')) {
      if (this.#takes('or')) {
        this.#expect('dst')
        return null
      }
      if (!this.#takes('and')) return 'src'
      this.#expect('dst')
      return 'both'
    }
    return this.#takes('dst') ? 'dst' : null
  }

  #ends(side: 'src' | 'dst' | 'both' | null): Filter {
    const test = this.#end()
    const src: Filter = (segment) => test(segment.source, port(segment, 0), segment.family)
    const dst: Filter = (segment) => test(segment.destination, port(segment, 2), segment.family)
    if (side === 'src') return src
    if (side === 'dst') return dst
    return side === 'both' ? (segment) => src(segment) && dst(segment) : (segment) => src(segment) || dst(segment)
  }

  #end(): (address: string, port: number, family: 'IPv4' | 'IPv6') => boolean {
    if (this.#takes('port')) {
      const wanted = this.#number(65_535)
      return (_, found) => found === wanted
    }
    if (this.#takes('portrange')) {
      const [first, end] = this.#word('a range of ports').split('-').map(Number)
      if (!(first <= end)) throw new FilterError('portrange wants two ports as 80-90')
      return (_, found) => found >= first && found <= end
    }
    if (this.#takes('net')) {
      const text = this.#word('a network')
      const [address, prefix] = text.split('/')
      const list = new BlockList()
      try {
        list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4')
      } catch {
        throw new FilterError(`net wants a network as 10.0.0.0/8, not ${JSON.stringify(text)}`)
      }
      return (found, _, family) => list.check(found, family === 'IPv6' ? 'ipv6' : 'ipv4')
    }
    this.#takes('host')
    const address = this.#word('an address')
    if (isIP(address) === 0) throw new FilterError(`${JSON.stringify(address)} is not understood: an address is wanted`)
    const list = new BlockList()
    list.addAddress(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
    return (found, _, family) => list.check(found, family === 'IPv6' ? 'ipv6' : 'ipv4')
  }

  #length(test: (length: number, limit: number) => boolean): Filter {
    const limit = this.#number(Infinity)
    return ({ packet }) => test(packet.length, limit)
  }

  /** `tcp[13] & 2 != 0`, and without a comparison what C would say. */
  #bytes(): Filter {
    this.#at += 2
    const [name, bytes = '1'] = this.#word('an offset').split(':')
    const offset = OFFSETS[name] ?? Number(name)
    const size = Number(bytes)
    this.#expect(']')
    const mask = this.#takes('&') ? this.#flags() : -1
    const operator = ['!=', '==', '=', '>', '<', '>=', '<='].find((candidate) => this.#takes(candidate))
    const wanted = operator === undefined ? 0 : this.#flags()
    if (!Number.isInteger(offset) || ![1, 2, 4].includes(size))
      throw new FilterError(`tcp[${name}] is no byte of a header`)
    return ({ buffer, start, end }) => {
      if (start + offset + size > end) return false
      const value = buffer.readUIntBE(start + offset, size)
      return compare(mask === -1 ? value : value & mask, operator ?? '!=', wanted)
    }
  }

  #flags(): number {
    if (this.#takes('(')) {
      let value = this.#flags()
      while (this.#takes('|')) value |= this.#flags()
      this.#expect(')')
      return value
    }
    const word = this.#word('a number')
    let value = FLAGS[word] ?? Number(word)
    if (!Number.isInteger(value)) throw new FilterError(`${JSON.stringify(word)} is no flag and no number`)
    while (this.#takes('|')) value |= this.#flags()
    return value
  }

  #number(most: number): number {
    const word = this.#word('a number')
    const value = Number(word)
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw new FilterError(`${JSON.stringify(word)} is no number that could be here`)
    return value
  }

  #word(what: string): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new FilterError(`it ends where ${what} should follow`)
    return word
  }

  #peek(): string | undefined {
    return this.#words[this.#at]
  }

  #takes(...words: string[]): boolean {
    const fits = words.includes(this.#words[this.#at])
    if (fits) this.#at++
    return fits
  }

  #expect(word: string): void {
    if (!this.#takes(word)) throw new FilterError(`${JSON.stringify(word)} is missing`)
  }
}

const port = ({ buffer, start, end }: PacketSegment, offset: number): number =>
  start + offset + 2 <= end ? buffer.readUInt16BE(start + offset) : -1

function compare(value: number, operator: string, wanted: number): boolean {
  switch (operator) {
    case '!=':
      return value !== wanted
    case '>':
      return value > wanted
    case '<':
      return value < wanted
    case '>=':
      return value >= wanted
    case '<=':
      return value <= wanted
    default:
      return value === wanted
  }
}
