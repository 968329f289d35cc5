import { describe, expect, it } from 'vitest'
import {
  type BindRequest,
  EphemeralPorts,
  ListenPorts,
  looksLikeShim,
  type PortRange,
} from '../../../src/stack/ports.ts'
import { CryptoRandom, SeededRandom } from '../../../src/stack/random.ts'

const range: PortRange = [32_768, 60_999]
const free = () => false
const local = '10.0.0.1'

describe('EphemeralPorts', () => {
  it('[rfc6056#3.1] stays within the range, its ends included', () => {
    const ports = new EphemeralPorts(new SeededRandom(1))
    const seen = new Set<number | null>()
    for (let i = 0; i < 200; i++) seen.add(ports.pick(local, '10.0.0.2', 80, [5000, 5003], free))
    expect([...seen].sort()).toEqual([5000, 5001, 5002, 5003])
    expect(ports.pick(local, '10.0.0.2', 80, [7, 7], free)).toBe(7)
  })

  it('skips what is taken, and has nothing when all is', () => {
    const ports = new EphemeralPorts(new SeededRandom(1))
    const taken = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      const port = ports.pick(local, '10.0.0.2', 80, [40_000, 40_999], (p) => taken.has(p))
      expect(port).not.toBeNull()
      expect(taken.has(port as number)).toBe(false)
      taken.add(port as number)
    }
    expect(taken.size).toBe(1000)
    expect(ports.pick(local, '10.0.0.2', 80, [40_000, 40_999], (p) => taken.has(p))).toBeNull()
    expect(ports.any([40_000, 40_999], (p) => taken.has(p))).toBeNull()
    taken.delete(40_500)
    expect(ports.pick(local, '10.0.0.9', 81, [40_000, 40_999], (p) => taken.has(p))).toBe(40_500)
    expect(ports.any([40_000, 40_999], (p) => taken.has(p))).toBe(40_500)
  })

  it('[rfc6056#3.3.4] comes back to a port of the same destination as late as may be', () => {
    const ports = new EphemeralPorts(new SeededRandom(3))
    const seen = new Set<number>()
    let picks = 0
    for (;;) {
      const port = ports.pick(local, '10.0.0.2', 80, range, free) as number
      if (seen.has(port)) break
      seen.add(port)
      picks++
    }
    // Steps of 1 to 8: by pure chance the first repetition would come after some 200.
    expect(picks).toBeGreaterThan(5000)
  })

  it('[rfc6056#3.3.4] goes its own way for each destination, host and stack', () => {
    const step = (a: number, b: number) => Math.abs(a - b)
    const first = (random: SeededRandom | CryptoRandom, from: string, to: string, port: number) =>
      new EphemeralPorts(random).pick(from, to, port, range, free) as number
    const one = first(new SeededRandom(1), local, '10.0.0.2', 80)
    expect(first(new SeededRandom(1), local, '10.0.0.2', 80)).toBe(one)
    expect(step(first(new SeededRandom(1), local, '10.0.0.2', 81), one)).toBeGreaterThan(8)
    expect(step(first(new SeededRandom(1), local, '10.0.0.3', 80), one)).toBeGreaterThan(8)
    expect(step(first(new SeededRandom(1), '10.0.0.9', '10.0.0.2', 80), one)).toBeGreaterThan(8)
    const stacks = new Set(Array.from({ length: 20 }, () => first(new CryptoRandom(), local, '10.0.0.2', 80)))
    expect(stacks.size).toBeGreaterThan(15)
  })

  it('[rfc6056#3.3.5] does not tell by its steps how many connections there were', () => {
    const ports = new EphemeralPorts(new SeededRandom(4))
    const steps = new Set<number>()
    let last = ports.pick(local, '10.0.0.2', 80, range, free) as number
    for (let i = 0; i < 200; i++) {
      const next = ports.pick(local, '10.0.0.2', 80, range, free) as number
      steps.add((next - last + 28_232) % 28_232)
      last = next
    }
    expect([...steps].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('spreads the ports of listeners over the range', () => {
    const ports = new EphemeralPorts(new SeededRandom(5))
    const seen = new Set(Array.from({ length: 100 }, () => ports.any(range, free)))
    expect(seen.size).toBeGreaterThan(90)
  })
})

describe('looksLikeShim', () => {
  it('is the ports whose bytes are those of a frame of version 1', () => {
    expect([0x0a0f, 0x0a10, 0x0a1f, 0x0a20].map(looksLikeShim)).toEqual([false, true, true, false])
  })
})

/** One bind: an address, with `only` for an IPv6 wildcard that leaves IPv4 alone, `share` for SO_REUSEPORT. */
function request(text: string, port = 80): BindRequest {
  const [address, ...flags] = text.split(' ')
  return {
    address: address === '-' ? undefined : address,
    port,
    ipv6Only: flags.includes('only'),
    reusePort: flags.includes('share'),
  }
}

describe('ListenPorts', () => {
  // What bind(2) and listen(2) of Linux answer, sockets set up as Node sets up a server's.
  it.each([
    ['127.0.0.1', '127.0.0.1', false],
    ['127.0.0.1', '127.0.0.2', true],
    ['127.0.0.1', '0.0.0.0', false],
    ['127.0.0.1', '::', false],
    ['127.0.0.1', '-', false],
    ['127.0.0.1', ':: only', true],
    ['127.0.0.1', '::1', true],
    ['0.0.0.0', '0.0.0.0', false],
    ['0.0.0.0', '::', false],
    ['0.0.0.0', ':: only', true],
    ['0.0.0.0', '::1', true],
    ['::', '::', false],
    ['::', ':: only', false],
    ['::', '::1', false],
    [':: only', '::1', false],
    [':: only', ':: only', false],
    ['::1', '::1', false],
    ['::1', '0:0::1', false],
    ['::1', '::2', true],
    ['::ffff:127.0.0.1', '127.0.0.1', false],
    ['::ffff:127.0.0.1', '::1', true],
    ['::ffff:127.0.0.1', ':: only', true],
    ['127.0.0.1 share', '127.0.0.1', false],
    ['127.0.0.1 share', '127.0.0.1 share', true],
    [':: share', '127.0.0.1 share', true],
    [':: share', '0.0.0.0', false],
  ])('%s and %s: both = %j', (a, b, both) => {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ]) {
      const ports = new ListenPorts<string>()
      expect(ports.bind(request(first), 'first')).toBeNull()
      expect(ports.bind(request(second, 81), 'other')).toBeNull()
      expect(ports.bind(request(second), 'second')).toBe(both ? null : 'EADDRINUSE')
    }
  })

  it('finds the closest listener', () => {
    const ports = new ListenPorts<string>()
    for (const text of ['0.0.0.0 share', ':: share', '10.0.0.1 share', '::1 share']) ports.bind(request(text), text)
    expect(ports.find('10.0.0.1', 80)).toBe('10.0.0.1 share')
    expect(ports.find('10.0.0.2', 80)).toBe('0.0.0.0 share')
    expect(ports.find('::1', 80)).toBe('::1 share')
    expect(ports.find('::2', 80)).toBe(':: share')
    expect(ports.find('::2', 81)).toBeNull()
  })

  it('leaves IPv4 to others where a wildcard is of IPv6 only', () => {
    const ports = new ListenPorts<string>()
    ports.bind(request(':: only'), 'six')
    expect(ports.find('10.0.0.1', 80)).toBeNull()
    expect(ports.find('::1', 80)).toBe('six')
    ports.bind(request('0.0.0.0'), 'four')
    expect(ports.find('10.0.0.1', 80)).toBe('four')
    expect(ports.find('::1', 80)).toBe('six')
  })

  it('answers for both families at the default address', () => {
    const ports = new ListenPorts<string>()
    ports.bind(request('-'), 'both')
    expect([ports.find('10.0.0.1', 80), ports.find('::1', 80)]).toEqual(['both', 'both'])
  })

  it('shares one address among those who asked to', () => {
    const ports = new ListenPorts<string>()
    for (const owner of ['a', 'b', 'c']) ports.bind(request('10.0.0.1 share'), owner)
    expect([0, 1, 2, 3, -1].map((choice) => ports.find('10.0.0.1', 80, choice))).toEqual(['a', 'b', 'c', 'a', 'a'])
  })

  it('gives a port back', () => {
    const ports = new ListenPorts<string>()
    ports.bind(request('10.0.0.1'), 'a')
    ports.bind(request('10.0.0.2'), 'b')
    ports.release(80, 'a')
    ports.release(99, 'a')
    expect(ports.has(80)).toBe(true)
    expect(ports.find('10.0.0.1', 80)).toBeNull()
    expect(ports.find('10.0.0.2', 80)).toBe('b')
    ports.release(80, 'b')
    expect(ports.has(80)).toBe(false)
    expect(ports.bind(request('0.0.0.0'), 'c')).toBeNull()
  })
})
