import { InvalidArgumentError } from 'commander'
import { describe, expect, it } from 'vitest'
import { busySeconds, costPerGigabyte } from '../../../bench/busy.ts'
import { kindsForMany, whyTooMany } from '../../../bench/measurements/descriptors.ts'
import { parseSetting, wholeNumber } from '../../../bench/setting.ts'
import { median, percentile } from '../../../bench/stats.ts'

describe('statistics of the bench', () => {
  it('take the middle, whatever the order, and the mean of two middles', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([100, 1, 2, 10])).toBe(6)
  })

  it('take the value below which a share lies', () => {
    const values = Float64Array.from({ length: 200 }, (_, i) => i + 1)
    expect(percentile(values, 0.5)).toBe(100)
    expect(percentile(values, 0.99)).toBe(198)
    expect(percentile(values, 1)).toBe(200)
    expect(percentile([7], 0.01)).toBe(7)
  })
})

describe('the work of a machine', () => {
  const stat = 'cpu  100 20 30 4000 500 6 7 800 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 12345\n'

  it('is user, nice, system and both kinds of interrupts, in hundredths of seconds', () => {
    expect(busySeconds(stat)).toBeCloseTo(1.63, 10)
  })

  it('is not waiting, nor what a hypervisor took', () => {
    expect(busySeconds(stat.replace('4000 500', '9000 900').replace('800 90 10', '999 90 10'))).toBeCloseTo(1.63, 10)
  })

  it('is not read from something else', () => {
    expect(() => busySeconds('cpu0 1 2 3 4 5 6 7\n')).toThrow('/proc/stat')
  })

  it('is told for a GB, where it is known', () => {
    expect(costPerGigabyte(10, 13, 2e9)).toBe(1.5)
    expect(costPerGigabyte(null, 13, 2e9)).toBeNull()
    expect(costPerGigabyte(10, 13, 0)).toBeNull()
  })
})

describe('connections that a process cannot hold', () => {
  const limits =
    'Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 20000                files\n'

  it('are those of the kernel beyond its open files', () => {
    expect(whyTooMany('net', 10_000, limits)).toBeNull()
    expect(whyTooMany('net', 100_000, limits)).toContain('100100 open files are needed, and a process may have 20000')
  })

  it('are asked of those only who open them in reasonable time', () => {
    expect([1000, 10_000, 100_000].map(kindsForMany)).toEqual([
      ['net', 'sluice', 'udx', 'utp'],
      ['net', 'sluice', 'udx'],
      ['net', 'sluice'],
    ])
  })

  it('are not those over one UDP socket, nor any where there is no limit to read', () => {
    expect(whyTooMany('sluice', 100_000, limits)).toBeNull()
    expect(whyTooMany('net', 100_000, '')).toBeNull()
  })
})

describe('another sluice', () => {
  it('has options of a stack, and parameters for the rest', () => {
    expect(parseSetting('mtu=1500,offload=off,tcp_autocorking=0')).toEqual({
      label: 'mtu 1500, offload off, tcp_autocorking 0',
      options: { mtu: 1500, offload: 'off', sysctl: { tcp_autocorking: '0' } },
      kinds: ['sluice'],
    })
  })

  it.each(['mtu', 'mtu=', '=1', 'mtu=large', 'mtu=1500,,'])('is not read from %s', (text) => {
    expect(() => parseSetting(text)).toThrow(InvalidArgumentError)
  })

  it('has whole numbers', () => {
    expect(wholeNumber('7')).toBe(7)
    for (const text of ['0', '-1', '1.5', 'x', '']) expect(() => wholeNumber(text)).toThrow('whole number')
  })
})
