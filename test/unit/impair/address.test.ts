import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Destination, parseAddress } from '../../../src/impair/address.ts'

const MAPPED = [0, 0, 0, 0, 0, 0xffff]

describe('parseAddress', () => {
  it.each([
    ['1.2.3.4', [...MAPPED, 0x0102, 0x0304]],
    ['::ffff:1.2.3.4', [...MAPPED, 0x0102, 0x0304]],
    ['::', [0, 0, 0, 0, 0, 0, 0, 0]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 1]],
    ['fe80::1%eth0', [0xfe80, 0, 0, 0, 0, 0, 0, 1]],
    ['2001:db8:1:2:3:4:5:6', [0x2001, 0xdb8, 1, 2, 3, 4, 5, 6]],
    ['1::', [1, 0, 0, 0, 0, 0, 0, 0]],
  ])('%s', (text, words) => {
    expect(parseAddress(text)).toEqual(words)
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeNull()
  })

  it('agrees with Node on what is an address', () => {
    const shaped = fc.array(fc.constantFrom(':', '::', '.', '1', '255', '256', 'ff', 'ffff', '0', '01'), {
      maxLength: 17,
    })
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      shaped.map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseAddress(candidate) !== null).toBe(isIP(candidate) !== 0)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('Destination', () => {
  const matches = (text: string, address: string, port: number) => Destination.parse(text)?.matches(address, port)

  it.each<[string, string, number, boolean]>([
    ['10.0.0.7', '10.0.0.7', 1, true],
    ['10.0.0.7', '10.0.0.8', 1, false],
    ['10.0.0.7', '::ffff:10.0.0.7', 1, true],
    ['10.0.0.0/8', '10.255.0.1', 1, true],
    ['10.0.0.0/8', '11.0.0.1', 1, false],
    ['10.0.0.0/30', '10.0.0.3', 1, true],
    ['10.0.0.0/30', '10.0.0.4', 1, false],
    ['0.0.0.0/0', '9.9.9.9', 1, true],
    ['0.0.0.0/0', '::1', 1, false],
    ['10.0.0.0/8:80', '10.0.0.1', 80, true],
    ['10.0.0.0/8:80', '10.0.0.1', 81, false],
    ['127.0.0.1:8080', '127.0.0.1', 8080, true],
    ['127.0.0.1:8080', '127.0.0.1', 80, false],
    ['::1', '::1', 80, true],
    ['[::1]:80', '::1', 80, true],
    ['[::1]:80', '::1', 81, false],
    ['fd00::/8', 'fdff::1', 80, true],
    ['fd00::/8', 'fe00::1', 80, false],
    ['[fd00::]/8:443', 'fd12::', 443, true],
    ['fe80::/10', 'fe80::1%eth0', 1, true],
    [':80', '8.8.8.8', 80, true],
    [':80', '8.8.8.8', 81, false],
    ['*:80', '::1', 80, true],
    ['*', '::1', 80, true],
    ['localhost', '127.8.8.8', 80, true],
    ['localhost', '::1', 80, true],
    ['localhost:5432', '::1', 5432, true],
    ['localhost:5432', '10.0.0.1', 5432, false],
    ['::/0', '10.0.0.1', 5432, true],
  ])('%s with %s port %i: %s', (text, address, port, expected) => {
    expect(matches(text, address, port)).toBe(expected)
  })

  it.each([
    '',
    'db.example',
    'db.example:80',
    '10.0.0.0/33',
    'fd00::/129',
    '1.2.3.4:0',
    '1.2.3.4:65536',
    '[1.2.3.4]:80',
    '[::1',
    '/8',
  ])('%j is none', (text) => {
    expect(Destination.parse(text)).toBeNull()
  })

  it('keeps its text', () => {
    expect(String(Destination.parse(' 10.0.0.0/8 '))).toBe('10.0.0.0/8')
  })
})
