import { describe, expect, it } from 'vitest'
import { formatGatewayAddress, parseGatewayAddress } from '../../../src/gateway/index.ts'

describe('an end of a gateway', () => {
  it.each([
    ['tcp:8080', { protocol: 'tcp', port: 8080 }],
    ['tcp:0', { protocol: 'tcp', port: 0 }],
    ['tcp:localhost:8080', { protocol: 'tcp', host: 'localhost', port: 8080 }],
    ['tcp:[::1]:8080', { protocol: 'tcp', host: '::1', port: 8080 }],
    ['sluice:80', { protocol: 'sluice', port: 80 }],
    ['sluice:host:80', { protocol: 'sluice', host: 'host', port: 80 }],
    ['sluice:host:80@9898', { protocol: 'sluice', host: 'host', port: 80, tunnelPort: 9898 }],
    ['sluice:80@9898', { protocol: 'sluice', port: 80, tunnelPort: 9898 }],
    ['sluice:[fe80::1%eth0]:80@9898', { protocol: 'sluice', host: 'fe80::1%eth0', port: 80, tunnelPort: 9898 }],
  ])('%s is read, and written the same', (text, address) => {
    expect(parseGatewayAddress(text)).toEqual(address)
    expect(formatGatewayAddress(parseGatewayAddress(text))).toBe(text)
  })

  it('may name every address', () => {
    expect(parseGatewayAddress('tcp:*:8080')).toEqual({ protocol: 'tcp', port: 8080 })
  })

  it.each([
    ['udp:80', 'is no end of a gateway'],
    ['8080', 'is no end of a gateway'],
    ['tcp:', 'is no end of a gateway'],
    ['tcp:::1:80', 'is no end of a gateway'],
    ['tcp:host:http', 'is no end of a gateway'],
    ['tcp:65536', 'ports go from 0 to 65535'],
    ['tcp:80@9898', 'only sluice goes through a tunnel'],
    ['sluice:80@0', 'ports go from 1 to 65535'],
  ])('%s is refused', (text, why) => {
    expect(() => parseGatewayAddress(text)).toThrow(RangeError)
    expect(() => parseGatewayAddress(text)).toThrow(`${JSON.stringify(text)}`)
    expect(() => parseGatewayAddress(text)).toThrow(why)
  })
})
