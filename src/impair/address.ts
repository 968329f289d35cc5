// Which destinations a rule is for. Addresses are compared as the eight words of IPv6; IPv4 ones are mapped (::ffff:0:0/96).

/** The words of an address, or null if `text` is none. A zone (`%eth0`) is ignored. */
export function parseAddress(text: string): number[] | null {
  if (!text.includes(':')) {
    const words = parseIPv4(text)
    return words === null ? null : [0, 0, 0, 0, 0, 0xffff, ...words]
  }
  return parseIPv6(text.replace(/%.*$/, ''))
}

function parseIPv4(text: string): [number, number] | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null
  const [a, b, c, d] = parts.map(Number)
  return [a * 256 + b, c * 256 + d]
}

function parseIPv6(text: string): number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = [parseWords(halves[0]), halves.length === 2 ? parseWords(halves[1]) : []]
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  return [...head, ...new Array<number>(missing).fill(0), ...tail]
}

/** Groups between colons; the last may be a dotted quad. */
function parseWords(text: string): number[] | null {
  if (text === '') return []
  const words: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      words.push(Number.parseInt(group, 16))
      continue
    }
    const quad = i === groups.length - 1 ? parseIPv4(group) : null
    if (quad === null) return null
    words.push(...quad)
  }
  return words
}

const LOOPBACK_4 = { words: parseAddress('127.0.0.0') as number[], bits: 104 }
const LOOPBACK_6 = { words: parseAddress('::1') as number[], bits: 128 }

interface Network {
  readonly words: readonly number[]
  /** Length of the prefix, of 128. */
  readonly bits: number
}

/** Addresses and ports that a rule is for. */
export class Destination {
  readonly #text: string
  /** Empty: every address. */
  readonly #networks: readonly Network[]
  /** 0: every port. */
  readonly #port: number

  private constructor(text: string, networks: readonly Network[], port: number) {
    this.#text = text
    this.#networks = networks
    this.#port = port
  }

  /** Null if `text` is not an address, a network or `localhost`, with or without a port, or `:port` alone. */
  static parse(text: string): Destination | null {
    const match = /^(?:\[([^\]]*)\]|([^:/]*|[^/]*:[^/]*:[^/]*))(?:\/(\d{1,3}))?(?::(\d{1,5}))?$/.exec(text.trim())
    if (match === null) return null
    const [, bracketed, plain, prefix, digits] = match
    const port = digits === undefined ? 0 : Number(digits)
    if (digits !== undefined && (port < 1 || port > 65535)) return null
    const networks = parseNetworks(bracketed ?? plain, bracketed !== undefined, prefix)
    if (networks === null || (networks.length === 0 && port === 0 && plain !== '*')) return null
    return new Destination(text.trim(), networks, port)
  }

  matches(address: string, port: number): boolean {
    if (this.#port !== 0 && port !== this.#port) return false
    if (this.#networks.length === 0) return true
    const words = parseAddress(address)
    return words !== null && this.#networks.some((network) => contains(network, words))
  }

  toString(): string {
    return this.#text
  }
}

function parseNetworks(host: string, bracketed: boolean, prefix: string | undefined): Network[] | null {
  if (!bracketed && prefix === undefined) {
    if (host === '' || host === '*') return []
    if (host.toLowerCase() === 'localhost') return [LOOPBACK_4, LOOPBACK_6]
  }
  const words = parseAddress(host)
  if (words === null || (bracketed && !host.includes(':'))) return null
  const [first, last] = host.includes(':') ? [0, 128] : [96, 32]
  const length = prefix === undefined ? last : Number(prefix)
  return length > last ? null : [{ words, bits: first + length }]
}

function contains(network: Network, words: readonly number[]): boolean {
  for (let i = 0, left = network.bits; left > 0; i++, left -= 16) {
    const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff
    if (((network.words[i] ^ words[i]) & mask) !== 0) return false
  }
  return true
}
