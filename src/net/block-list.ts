import nodeNet from 'node:net'
import { validateInt32, validateString } from './args.ts'
import { invalidType, invalidValue } from './errors.ts'

// `BlockList` and `SocketAddress` are Node's own. Where Node is too old for some of their methods, these add them.

type Family = 'ipv4' | 'ipv6'
type Address = string | nodeNet.SocketAddress

/** What BlockList has since Node 26.8 and 24.20. */
export interface BlockList extends nodeNet.BlockList {
  addAddresses(addresses: readonly Address[], type?: Family): void
  /** `10.0.0.0/8`; the family is told by the colons. */
  addCIDR(cidr: string): void
  addCIDRs(cidrs: readonly string[]): void
  /** These forget one rule that was added with the very same values; where there is none they do nothing. */
  removeAddress(address: Address, type?: Family): void
  removeRange(start: Address, end: Address, type?: Family): void
  removeSubnet(network: Address, prefix: number, type?: Family): void
  removeCIDR(cidr: string): void
  clear(): void
  readonly size: number
  toJSON(): string[]
  /** Adds what `toJSON` gave, or its text. */
  fromJSON(data: string | readonly string[]): void
}

export interface BlockListConstructor {
  new (): BlockList
  readonly prototype: BlockList
  isBlockList(value: unknown): value is BlockList
  /** Of private networks, loopback and link-local addresses, for `addCIDRs`. */
  readonly PRIVATE_RANGES: readonly string[]
}

export interface SocketAddressConstructor {
  new (options?: nodeNet.SocketAddressInitOptions): nodeNet.SocketAddress
  readonly prototype: nodeNet.SocketAddress
  /** Of `1.2.3.4:80` or `[::1]:80`; undefined where the text is no such thing. */
  parse(input: string): nodeNet.SocketAddress | undefined
}

const RULE = /^(Address|Subnet|Range): IPv([46]) ([\da-f:.]+)(?:\/(\d+)|-([\da-f:.]+))?$/i

/** A list that forgets: Node's own of this age only grows, so that it is made anew. */
class CompleteBlockList extends nodeNet.BlockList {
  #list = new nodeNet.BlockList()

  static isBlockList(value: unknown): boolean {
    return value instanceof nodeNet.BlockList
  }

  static readonly PRIVATE_RANGES = Object.freeze([
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '127.0.0.0/8',
    '::1/128',
    '169.254.0.0/16',
    'fe80::/10',
    'fc00::/7',
  ])

  override addAddress(...args: unknown[]): void {
    this.#list.addAddress(...(args as [string]))
  }

  override addRange(...args: unknown[]): void {
    this.#list.addRange(...(args as [string, string]))
  }

  override addSubnet(...args: unknown[]): void {
    this.#list.addSubnet(...(args as [string, number]))
  }

  override check(...args: unknown[]): boolean {
    return this.#list.check(...(args as [string]))
  }

  addAddresses(addresses: readonly Address[], type: Family = 'ipv4'): void {
    validateArray(addresses, 'addresses')
    validateString(type, 'family')
    // All of them, or none.
    const checked = new nodeNet.BlockList()
    for (const address of addresses) checked.addAddress(address as string, type)
    for (const address of addresses) this.addAddress(address, type)
  }

  addCIDR(cidr: string): void {
    this.addSubnet(...parseCidr(cidr))
  }

  addCIDRs(cidrs: readonly string[]): void {
    validateArray(cidrs, 'cidrs')
    for (const subnet of cidrs.map(parseCidr)) this.addSubnet(...subnet)
  }

  removeAddress(...args: unknown[]): void {
    this.#remove((list) => list.addAddress(...(args as [string])))
  }

  removeRange(...args: unknown[]): void {
    this.#remove((list) => list.addRange(...(args as [string, string])))
  }

  removeSubnet(...args: unknown[]): void {
    this.#remove((list) => list.addSubnet(...(args as [string, number])))
  }

  removeCIDR(cidr: string): void {
    this.removeSubnet(...parseCidr(cidr))
  }

  clear(): void {
    this.#list = new nodeNet.BlockList()
  }

  // The class that this extends has it as a getter.
  // @ts-expect-error It is declared as a property there.
  override get rules(): readonly string[] {
    return this.#list.rules
  }

  get size(): number {
    return this.#list.rules.length
  }

  toJSON(): readonly string[] {
    return this.rules
  }

  fromJSON(data: unknown): void {
    const rules: unknown = typeof data === 'string' ? JSON.parse(data) : data
    if (!Array.isArray(rules)) throw invalidType('data', 'an instance of Array', rules)
    for (const rule of rules) if (typeof rule !== 'string') throw invalidType('data', 'of type string', rule)
    for (const rule of rules) addRule(this.#list, rule)
  }

  #remove(addTo: (list: nodeNet.BlockList) => void): void {
    const one = new nodeNet.BlockList()
    addTo(one)
    const rules = [...this.rules]
    const at = rules.indexOf(one.rules[0])
    if (at < 0) return
    rules.splice(at, 1)
    this.#list = new nodeNet.BlockList()
    for (const rule of rules.reverse()) addRule(this.#list, rule)
  }
}
Object.defineProperty(CompleteBlockList, 'name', { value: 'BlockList' })

/** What the text of a rule says; text that is none is passed over, as Node does. */
function addRule(list: nodeNet.BlockList, text: string): void {
  const [, kind, version, address, prefix, end] = RULE.exec(text) ?? []
  const family = version === '4' ? 'ipv4' : 'ipv6'
  if (kind === 'Address') list.addAddress(address, family)
  else if (kind === 'Subnet' && prefix !== undefined) list.addSubnet(address, Number(prefix), family)
  else if (kind === 'Range' && end !== undefined) list.addRange(address, end, family)
}

function parseCidr(cidr: unknown): [network: string, prefix: number, family: Family] {
  validateString(cidr, 'cidr')
  const slash = cidr.lastIndexOf('/')
  if (slash < 0) throw invalidValue('cidr', cidr, 'must contain a prefix length (e.g. "10.0.0.0/8")')
  const prefix = Number.parseInt(cidr.slice(slash + 1), 10)
  if (`${prefix}` !== cidr.slice(slash + 1)) throw invalidValue('cidr', cidr, 'prefix length must be a valid integer')
  const network = cidr.slice(0, slash)
  const family = network.includes(':') ? 'ipv6' : 'ipv4'
  validateInt32(prefix, 'prefix', 0, family === 'ipv4' ? 32 : 128)
  return [network, prefix, family]
}

function validateArray(value: unknown, name: string): void {
  if (!Array.isArray(value)) throw invalidType(name, 'an instance of Array', value)
}

class ParsingSocketAddress extends nodeNet.SocketAddress {
  static parse(input: string): nodeNet.SocketAddress | undefined {
    validateString(input, 'input')
    try {
      const { hostname, port } = new URL(`http://${input}`)
      const [, v6] = /^\[(.*)\]$/.exec(hostname) ?? []
      const address = v6 ?? hostname
      return new ParsingSocketAddress({ address, port: Number(port), family: v6 === undefined ? 'ipv4' : 'ipv6' })
    } catch {
      return undefined
    }
  }
}
Object.defineProperty(ParsingSocketAddress, 'name', { value: 'SocketAddress' })

const isComplete = 'addCIDRs' in nodeNet.BlockList.prototype

export const BlockList = (isComplete ? nodeNet.BlockList : CompleteBlockList) as unknown as BlockListConstructor

export const SocketAddress = ('parse' in nodeNet.SocketAddress
  ? nodeNet.SocketAddress
  : ParsingSocketAddress) as unknown as SocketAddressConstructor
