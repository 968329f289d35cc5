import { describe, expect, it } from 'vitest'
import { BLOCK_FILLING, datagramCharge, isSince, SocketBudget } from '../../../src/tunnel/budget.ts'
import { MtuRule, nextLowerDatagram } from '../../../src/tunnel/mtu.ts'

/** Bytes of payload, and what Linux 6.18 was seen to charge for them on loopback. */
const MEASURED = [
  [1, 832],
  [600, 1280],
  [1400, 2305],
  [1632, 2305],
  [3000, 4355],
  [4096, 8465],
  [8192, 16_677],
  [15_872, 16_677],
  [20_000, 20_919],
  [26_000, 26_973],
  [32_256, 33_288],
  [50_000, 51_150],
  [65_000, 66_576],
] as const

describe('datagramCharge', () => {
  it.each(MEASURED)('%i bytes are charged with no less than the kernel does', (size, charge) => {
    // The measurement is uncertain by a fraction of a percent.
    for (const paged of [true, false]) expect(datagramCharge(size, paged)).toBeGreaterThanOrEqual(charge * 0.997)
  })

  it('large ones are charged by the byte where they lie in pages, else by the power of two', () => {
    expect([20_000, 40_000, 65_500].map((size) => datagramCharge(size, true))).toEqual([21_600, 41_600, 67_100])
    expect([20_000, 40_000, 65_500].map((size) => datagramCharge(size, false))).toEqual([33_024, 65_792, 131_328])
  })

  it.each(BLOCK_FILLING)('%i bytes waste less than a fifth', (size) => {
    expect(datagramCharge(size)).toBeLessThan(size * 1.23)
  })

  it('counts the smallest as what a network card takes', () => {
    expect(datagramCharge(1)).toBe(2304)
    expect(datagramCharge(1472)).toBe(2304)
  })
})

describe('isSince', () => {
  it.each([
    ['5.14.0-70.el9.x86_64', true],
    ['6.1.0-rpi', true],
    ['5.13.19', false],
    ['4.19.0', false],
    ['', false],
  ])('%j: %j', (version, expected) => {
    expect(isSince(version, 5, 14)).toBe(expected)
  })
})

describe('SocketBudget', () => {
  it('never promises more than the buffer holds', () => {
    for (const granted of [212_992, 425_984, 8 << 20]) {
      for (const mss of [536, 1436, 7644, 15_836, 32_220, 65_471]) {
        const budget = new SocketBudget(granted)
        const segments = budget.windowLimit(mss) / mss
        if (segments > 2) expect(segments * datagramCharge(mss + 36)).toBeLessThanOrEqual(granted * 0.75)
      }
    }
  })

  it('is shared by all connections of the socket', () => {
    const budget = new SocketBudget(212_992)
    const alone = budget.windowLimit(1436)
    expect(alone).toBe(69 * 1436)
    budget.users = 4
    expect(budget.windowLimit(1436)).toBe(alone / 4)
  })

  it('leaves everybody two segments', () => {
    const budget = new SocketBudget(212_992)
    budget.users = 1000
    expect(budget.windowLimit(1436)).toBe(2 * 1436)
  })

  it('follows a change of the segment size', () => {
    const budget = new SocketBudget(212_992)
    expect(budget.windowLimit(7644)).toBe(18 * 7644)
    expect(budget.windowLimit(1436)).toBe(69 * 1436)
  })
})

describe('MtuRule', () => {
  const stock = 212_992

  it('is 1500 away from this machine', () => {
    const rule = new MtuRule('auto', 'linux')
    expect(rule.datagram('IPv4', false, 8 << 20)).toBe(1472)
    expect(rule.datagram('IPv6', false, 8 << 20)).toBe(1452)
  })

  it.each([
    [8 << 20, 32_256],
    [425_984, 15_872],
    [stock, 7680],
    [65_536, 3584],
    [32_768, 1472],
  ])('on loopback it is at most a sixteenth of a buffer of %i: %i', (granted, size) => {
    const rule = new MtuRule('auto', 'linux', false)
    expect(rule.datagram('IPv4', true, granted)).toBe(size)
    expect(size).toBeLessThanOrEqual(Math.max(granted / 16, 1472))
  })

  it('on loopback it is as large as can be where that is charged fairly, and a sixteenth of the buffer', () => {
    const rule = new MtuRule('auto', 'linux', true)
    expect(rule.datagram('IPv4', true, 1 << 20)).toBe(65_507)
    expect(rule.datagram('IPv6', true, 1 << 20)).toBe(65_487)
    expect(rule.datagram('IPv4', true, (1 << 20) - 1024)).toBe(32_256)
  })

  it('is 9000 on the loopback of macOS', () => {
    expect(new MtuRule('auto', 'darwin').datagram('IPv4', true, 8 << 20)).toBe(8972)
  })

  it('is 1500 everywhere while impaired', () => {
    const rule = new MtuRule('auto', 'linux')
    rule.impaired = true
    expect(rule.datagram('IPv4', true, 8 << 20)).toBe(1472)
  })

  it('obeys a number everywhere, impaired or not, up to what IP can carry', () => {
    const rule = new MtuRule(9000, 'linux')
    rule.impaired = true
    expect(rule.datagram('IPv4', true, stock)).toBe(8972)
    expect(rule.datagram('IPv6', false, stock)).toBe(8952)
    expect(new MtuRule(1 << 20, 'linux').datagram('IPv4', true, stock)).toBe(65_507)
    expect(new MtuRule(1, 'linux').datagram('IPv4', true, stock)).toBe(548)
  })

  it('[rfc1191#7] [rfc8200#5] goes down by plateaus to what every host must take', () => {
    const steps: number[] = []
    for (let size = 32_256; steps.at(-1) !== size; size = nextLowerDatagram(size, 'IPv4')) steps.push(size)
    expect(steps.slice(0, 3)).toEqual([32_256, 31_972, 17_886])
    expect(steps.slice(-4)).toEqual([1372, 1252, 978, 548])
    expect(nextLowerDatagram(1452, 'IPv6')).toBe(1352)
    expect(nextLowerDatagram(1232, 'IPv6')).toBe(1232)
  })
})
