import nodeNet from 'node:net'

/** What `SLUICE_ONLY` and `SLUICE_EXCEPT` say, and the options of `register` by the same names: items in one string, or one by one. */
export type RuleList = string | readonly string[]

/** One item of a list: a host, a port, or both. */
interface Rule {
  /** Against an address; null: whatever the address. */
  readonly addresses: nodeNet.BlockList | null
  /** Against a name; null: whatever the name. */
  readonly name: RegExp | null
  readonly firstPort: number
  readonly lastPort: number
}

/** What can be said of a destination whose addresses are not known yet. */
type Verdict = boolean | 'unknown'

const FORMS = 'a host, *.domain, address or network, a port or range of ports, or both as host:port'

/** Names that have these addresses and no others (rfc6761#6.3). */
const LOCAL_NAME = /^(?:.+\.)?localhost$/

/**
 * Which destinations go through sluice: those that `only` names, or all if it names none, without those that `except` names.
 * An item is a host (`db.example.com`, `*.example.com`, `10.0.0.7`, `10.0.0.0/8`, `[::1]`), a port (`5432`, `8000-8099`), or
 * both (`db.example.com:5432`); an item without a host is for every host, one without a port for every port.
 */
export class Rules {
  readonly #only: readonly Rule[]
  readonly #except: readonly Rule[]

  /** Throws a `RangeError` that names the item and, by `names`, where it came from. */
  constructor(only: RuleList = [], except: RuleList = [], names: readonly [string, string] = ['only', 'except']) {
    this.#only = parseRules(only, names[0])
    this.#except = parseRules(except, names[1])
  }

  /** Whether connections to a host go through sluice; `'unknown'`: it is a name, and its addresses decide. */
  connects(host: string, port: number): Verdict {
    const name = plainName(host)
    return this.#decide((rule) => matchesHost(rule, name, port))
  }

  /** The same, once an address of the name is known. */
  connectsTo(host: string, address: string, port: number): boolean {
    const name = plainName(host)
    return (
      this.#decide((rule) => matchesHost(rule, name, port) === true || matchesAddress(rule, address, port)) === true
    )
  }

  /** Whether a server on that port does; `address` is null for all addresses, which only items without a host mean. */
  listens(address: string | null, port: number): boolean {
    const anywhere = address === null || address === '::' || address === '0.0.0.0'
    return (
      this.#decide((rule) => {
        if (!inPorts(rule, port)) return false
        return anywhere ? isForAllHosts(rule) : isForAllHosts(rule) || matchesAddress(rule, address, port)
      }) === true
    )
  }

  #decide(matches: (rule: Rule) => Verdict): Verdict {
    return and(this.#only.length === 0 || any(this.#only, matches), not(any(this.#except, matches)))
  }
}

function parseRules(list: RuleList, name: string): Rule[] {
  const items = typeof list === 'string' ? list.split(',') : list
  return items
    .map((item) => String(item).trim())
    .filter((item) => item !== '')
    .map((item) => parseRule(item, name))
}

function parseRule(item: string, name: string): Rule {
  // A port alone; or what stands before the last colon, if what stands behind is one. IPv6 in brackets, unless it stands alone.
  const match =
    /^:?(\d+)(?:-(\d+))?$/.exec(item) ??
    (nodeNet.isIPv6(item.split('/')[0]) ? null : /^(?:.+):(\d+)(?:-(\d+))?$/.exec(item))
  const firstPort = match === null ? 0 : Number(match[1])
  const lastPort = match === null ? 65_535 : Number(match[2] ?? match[1])
  const host = match === null ? item : item.replace(/:?\d+(?:-\d+)?$/, '')
  if (lastPort > 65_535 || firstPort > lastPort) throw badRule(item, name, 'ports go from 0 to 65535')
  return { ...parseHost(host.replace(/^\[(.*)\](\/\d+)?$/, '$1$2'), item, name), firstPort, lastPort }
}

function parseHost(host: string, item: string, name: string): Pick<Rule, 'addresses' | 'name'> {
  if (host === '' || host === '*') return { addresses: null, name: null }
  const [address, prefix, ...rest] = host.split('/')
  const family = nodeNet.isIP(address)
  if (family !== 0) {
    const bits = prefix === undefined ? addressBits(family) : Number(prefix)
    if (rest.length > 0 || prefix === '' || !(Number.isInteger(bits) && bits >= 0 && bits <= addressBits(family))) {
      throw badRule(item, name, `a network of ${family === 4 ? 'IPv4' : 'IPv6'} has /0 to /${addressBits(family)}`)
    }
    const addresses = new nodeNet.BlockList()
    addresses.addSubnet(address.replace(/%.*$/, ''), bits, family === 4 ? 'ipv4' : 'ipv6')
    return { addresses, name: null }
  }
  const pattern = plainName(host)
  // Numbers and dots are an address that somebody mistyped, not a name.
  if (!/^[\w*.-]+$/.test(pattern) || /^[\d.]+$/.test(pattern)) throw badRule(item, name, `${FORMS} is wanted`)
  let addresses: nodeNet.BlockList | null = null
  if (pattern === 'localhost') {
    addresses = new nodeNet.BlockList()
    addresses.addSubnet('127.0.0.0', 8, 'ipv4')
    addresses.addAddress('::1', 'ipv6')
  }
  const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
  return { addresses, name: new RegExp(`^${source}$`) }
}

function badRule(item: string, name: string, why: string): RangeError {
  return new RangeError(`${name} has ${JSON.stringify(item)}: ${why}`)
}

function addressBits(family: number): number {
  return family === 4 ? 32 : 128
}

/** As names are compared: without case, and without the dot that says that they are whole. */
function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function isForAllHosts({ addresses, name }: Rule): boolean {
  return addresses === null && name === null
}

function inPorts({ firstPort, lastPort }: Rule, port: number): boolean {
  return port >= firstPort && port <= lastPort
}

function matchesHost(rule: Rule, host: string, port: number): Verdict {
  if (!inPorts(rule, port)) return false
  if (isForAllHosts(rule) || rule.name?.test(host)) return true
  if (rule.addresses === null) return false
  if (nodeNet.isIP(host) !== 0) return matchesAddress(rule, host, port)
  if (!LOCAL_NAME.test(host)) return 'unknown'
  return matchesAddress(rule, '127.0.0.1', port) || matchesAddress(rule, '::1', port)
}

function matchesAddress(rule: Rule, address: string, port: number): boolean {
  if (!inPorts(rule, port) || rule.addresses === null) return false
  // Mapped IPv4 addresses are checked as the IPv4 addresses that they are.
  return rule.addresses.check(address.replace(/%.*$/, ''), nodeNet.isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function any(rules: readonly Rule[], matches: (rule: Rule) => Verdict): Verdict {
  let found: Verdict = false
  for (const rule of rules) {
    const verdict = matches(rule)
    if (verdict === true) return true
    if (verdict === 'unknown') found = 'unknown'
  }
  return found
}

function and(one: Verdict, other: Verdict): Verdict {
  if (one === false || other === false) return false
  return one === true && other === true ? true : 'unknown'
}

function not(verdict: Verdict): Verdict {
  return verdict === 'unknown' ? verdict : !verdict
}
