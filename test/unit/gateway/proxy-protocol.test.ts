import { describe, expect, it } from 'vitest'
import { proxyHeader, readProxyHeader } from '../../../src/gateway/proxy-protocol.ts'

const V4 = [
  { address: '192.0.2.1', port: 56_324 },
  { address: '198.51.100.7', port: 443 },
] as const
const V6 = [
  { address: '2001:db8::1', port: 56_324 },
  { address: '::1', port: 443 },
] as const
const mixed = [V4[0], V6[1]] as const

describe('the PROXY header', () => {
  it('is a line in version 1', () => {
    expect(proxyHeader(1, ...V4).toString()).toBe('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n')
    expect(proxyHeader(1, ...V6).toString()).toBe('PROXY TCP6 2001:db8::1 ::1 56324 443\r\n')
    expect(proxyHeader(1, ...mixed).toString()).toBe('PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n')
  })

  it('is binary in version 2', () => {
    expect(proxyHeader(2, ...V4).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a' + '2111' + '000c' + 'c0000201' + 'c6336407' + 'dc04' + '01bb',
    )
    expect(proxyHeader(2, ...V6).toString('hex')).toBe(
      `0d0a0d0a000d0a515549540a21210024${'20010db8000000000000000000000001'}${'00000000000000000000000000000001'}dc0401bb`,
    )
  })

  it.each([
    ['1, IPv4', 1, V4, V4],
    ['1, IPv6', 1, V6, V6],
    ['2, IPv4', 2, V4, V4],
    ['2, IPv6', 2, V6, V6],
    ['2, mixed', 2, mixed, [{ address: '::ffff:c000:201', port: 56_324 }, V6[1]]],
  ] as const)('of version %s is read back, however it is cut, and what follows is left', (_, version, ends, seen) => {
    const [source, destination] = ends
    const header = proxyHeader(version, source, destination)
    const whole = Buffer.concat([header, Buffer.from('GET /')])
    for (let length = 0; length < header.length; length++) {
      expect(readProxyHeader(whole.subarray(0, length))).toBe('more')
    }
    expect(readProxyHeader(whole)).toEqual({
      header: { source: seen[0], destination: seen[1] },
      length: header.length,
    })
  })

  it('may tell nothing', () => {
    const nothing = { source: undefined, destination: undefined }
    expect(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\n'))).toEqual({ header: nothing, length: 15 })
    const local = Buffer.from('0d0a0d0a000d0a515549540a20000003010203', 'hex')
    expect(readProxyHeader(local)).toEqual({ header: nothing, length: 19 })
  })

  it.each([
    ['nothing of the kind', 'GET / HTTP/1.1\r\n'],
    ['an address that is none', 'PROXY TCP4 300.0.2.1 198.51.100.7 1 2\r\n'],
    ['an address of the other family', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['a port that is none', 'PROXY TCP4 192.0.2.1 198.51.100.7 70000 2\r\n'],
    ['too few words', 'PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n'],
    ['a word too many', 'PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n'],
    ['an unknown family', 'PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n'],
    ['a line without end', `PROXY TCP4 ${'1'.repeat(200)}`],
    ['another version', '\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c'],
    ['an unknown command', '\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c'],
    ['too long', '\r\n\r\n\0\r\nQUIT\n\x21\x11\x20\x0c'],
    ['too short for its addresses', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab'],
  ])('is not there: %s', (_, text) => {
    expect(readProxyHeader(Buffer.from(text, 'latin1'))).toBe('bad')
  })
})
