import { describe, expect, it } from 'vitest'
import { Rules } from '../../../src/register/rules.ts'

describe('rules for connecting', () => {
  it('send everything through sluice when there are none', () => {
    const rules = new Rules()
    expect(rules.connects('example.com', 80)).toBe(true)
    expect(rules.connects('127.0.0.1', 1)).toBe(true)
    expect(rules.listens(null, 80)).toBe(true)
  })

  // item, host, port, whether the item means it
  it.each([
    ['example.com', 'example.com', 80, true],
    ['example.com', 'EXAMPLE.com.', 80, true],
    ['example.com', 'www.example.com', 80, false],
    ['*.example.com', 'www.example.com', 80, true],
    ['*.example.com', 'example.com', 80, false],
    ['*', 'anything', 9, true],
    ['10.0.0.7', '10.0.0.7', 80, true],
    ['10.0.0.7', '10.0.0.8', 80, false],
    ['10.0.0.0/8', '10.255.0.1', 80, true],
    ['10.0.0.0/8', '11.0.0.1', 80, false],
    ['10.0.0.0/8', '::ffff:10.1.1.1', 80, true],
    ['0.0.0.0/0', '8.8.8.8', 80, true],
    ['::1', '::1', 80, true],
    ['[::1]:80', '::1', 80, true],
    ['[::1]:80', '::1', 81, false],
    ['fd00::/8', 'fd12::1', 80, true],
    ['[fd00::/8]:443', 'fd12::1', 443, true],
    ['[fd00::]/8:443', 'fd12::1', 443, true],
    ['5432', 'db', 5432, true],
    [':5432', 'db', 5432, true],
    ['5432', 'db', 5433, false],
    ['8000-8099', 'app', 8050, true],
    ['8000-8099', 'app', 8100, false],
    ['db:5432', 'db', 5432, true],
    ['db:5432', 'db', 80, false],
    ['10.0.0.0/8:5000-5999', '10.1.1.1', 5432, true],
    ['10.0.0.0/8:5000-5999', '10.1.1.1', 80, false],
    ['localhost', 'localhost', 80, true],
    ['localhost', '127.0.0.1', 80, true],
    ['localhost', '::1', 80, true],
    ['127.0.0.0/8', 'localhost', 80, true],
    ['127.0.0.1', 'app.localhost', 80, true],
    ['10.0.0.0/8', 'localhost', 80, false],
  ])('%s: %s at %i is %s', (item, host, port, means) => {
    expect(new Rules(item).connects(host, port)).toBe(means)
    expect(new Rules([], item).connects(host, port)).toBe(!means)
  })

  it('exceptions go before what is named', () => {
    const rules = new Rules('*.example.com, 10.0.0.0/8', 'db.example.com,22')
    expect(rules.connects('www.example.com', 80)).toBe(true)
    expect(rules.connects('db.example.com', 80)).toBe(false)
    expect(rules.connects('www.example.com', 22)).toBe(false)
    expect(rules.connects('10.1.1.1', 80)).toBe(true)
    expect(rules.connects('10.1.1.1', 22)).toBe(false)
  })

  it('wait for the addresses of a name where a network is meant, and only then', () => {
    const rules = new Rules([], ['10.0.0.0/8:80', 'db'])
    expect(rules.connects('intern', 80)).toBe('unknown')
    expect(rules.connects('intern', 81)).toBe(true)
    expect(rules.connects('db', 80)).toBe(false)
    expect(rules.connectsTo('intern', '10.2.3.4', 80)).toBe(false)
    expect(rules.connectsTo('intern', '192.0.2.1', 80)).toBe(true)
    const only = new Rules('10.0.0.0/8')
    expect(only.connects('intern', 80)).toBe('unknown')
    expect(only.connectsTo('intern', '10.2.3.4', 80)).toBe(true)
    expect(only.connectsTo('intern', '192.0.2.1', 80)).toBe(false)
  })
})

describe('rules for listening', () => {
  it.each([
    ['8080', null, 8080, true],
    ['8080', '127.0.0.1', 8080, true],
    ['8080', null, 80, false],
    ['127.0.0.1', '127.0.0.1', 80, true],
    ['127.0.0.0/8:80', '127.0.0.1', 81, false],
    ['127.0.0.1', '10.0.0.1', 80, false],
    ['127.0.0.1', null, 80, false],
    ['127.0.0.1', '0.0.0.0', 80, false],
    ['*:80', '::', 80, true],
    ['example.com', null, 80, false],
  ])('%s: a server on %s port %i is %s', (item, address, port, means) => {
    expect(new Rules(item).listens(address, port)).toBe(means)
    expect(new Rules([], item).listens(address, port)).toBe(!means)
  })
})

describe('a rule that is none', () => {
  it.each([
    ['65536', 'ports go from 0 to 65535'],
    ['90-80', 'ports go from 0 to 65535'],
    ['10.0.0.0/33', 'a network of IPv4 has /0 to /32'],
    ['::/129', 'a network of IPv6 has /0 to /128'],
    ['10.0.0/8', 'is wanted'],
    ['10.0.0.256', 'is wanted'],
    ['a b', 'is wanted'],
    ['http://host', 'is wanted'],
  ])('%s is named with its list', (item, why) => {
    expect(() => new Rules([], `80,${item}`, ['SLUICE_ONLY', 'SLUICE_EXCEPT'])).toThrow(RangeError)
    expect(() => new Rules([], `80,${item}`, ['SLUICE_ONLY', 'SLUICE_EXCEPT'])).toThrow(
      `SLUICE_EXCEPT has ${JSON.stringify(item)}: `,
    )
    expect(() => new Rules(item)).toThrow(why)
  })
})
