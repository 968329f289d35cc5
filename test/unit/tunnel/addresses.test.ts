import { describe, expect, it } from 'vitest'
import {
  canonicalAddress,
  destinationRefused,
  familyOf,
  type Interfaces,
  isLoopbackAddress,
  isMulticast,
  LocalAddresses,
} from '../../../src/tunnel/addresses.ts'
import { FakeNetwork } from './fake-dgram.ts'

describe('canonicalAddress', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FD00:0::2', 'fd00::2'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['::FFFF:a00:7', '10.0.0.7'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['fd00::1%eth0', 'fd00::1'],
    ['fe80::1%', null],
    ['::g', null],
    ['not an address', null],
    ['localhost', null],
    ['1.2.3', null],
    ['', null],
  ])('writes %s as %s', (given, expected) => {
    expect(canonicalAddress(given)).toBe(expected)
  })

  it('tells the families apart', () => {
    expect(familyOf('1.2.3.4')).toBe('IPv4')
    expect(familyOf('fe80::1%eth0')).toBe('IPv6')
  })

  it('knows the whole of 127/8 as loopback', () => {
    expect(['127.0.0.1', '127.255.1.2', '::1'].every(isLoopbackAddress)).toBe(true)
    expect(['128.0.0.1', '12.7.0.1', 'fd00::1'].some(isLoopbackAddress)).toBe(false)
  })

  it('knows multicast', () => {
    expect(['224.0.0.1', '239.255.255.255', 'ff02::1'].every(isMulticast)).toBe(true)
    expect(['223.255.255.255', '240.0.0.1', 'fe80::1'].some(isMulticast)).toBe(false)
  })
})

describe('destinationRefused', () => {
  const local = new LocalAddresses(new FakeNetwork('192.0.2.2').interfaces)
  local.refresh(0, 0)

  it.each([
    ['224.0.0.1', 'ENETUNREACH'],
    ['255.255.255.255', 'ENETUNREACH'],
    ['240.0.0.1', 'ENETUNREACH'],
    ['192.0.2.255', 'ENETUNREACH'],
    ['ff02::1', 'ENETUNREACH'],
    ['fe80::1', 'EINVAL'],
    ['fe80::1%eth0', null],
    ['192.0.2.254', null],
    ['203.0.113.255', null],
    ['fd00::1', null],
  ])('%s: %s, as the kernel does for TCP', (address, code) => {
    expect(destinationRefused(address, local)).toBe(code)
  })
})

describe('LocalAddresses', () => {
  it('looks again only when what it knows is old, and tells whether something changed', () => {
    const net = new FakeNetwork('192.0.2.2', 'fd00::2')
    const local = new LocalAddresses(net.interfaces)
    expect(local.refresh(0, 1000)).toBe(true)
    expect(local.ipv4).toEqual(['192.0.2.2'])
    expect(local.ipv6).toEqual(['fd00::2'])
    net.addresses.push('192.0.2.3')
    expect(local.refresh(999, 1000)).toBe(false)
    expect(local.isOwn('192.0.2.3')).toBe(false)
    expect(local.refresh(1000, 1000)).toBe(true)
    expect(local.isLoopback('192.0.2.3')).toBe(true)
    expect(local.refresh(5000, 1000)).toBe(false)
  })

  it('[rfc4291#2.5.6] gives link-local addresses their zone', () => {
    const interfaces = (): Interfaces => ({ eth9: new FakeNetwork('fe80::7').interfaces().fake0 })
    const local = new LocalAddresses(interfaces)
    local.refresh(0, 0)
    expect(local.ipv6).toEqual(['fe80::7%eth9'])
  })

  it('falls back to loopback where the question is forbidden', () => {
    const local = new LocalAddresses(() => {
      throw new Error('EPERM')
    })
    local.refresh(0, 0)
    expect(local.ipv4).toEqual(['127.0.0.1'])
    expect(local.ipv6).toEqual(['::1'])
  })
})
