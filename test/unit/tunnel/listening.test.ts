import { describe, expect, it } from 'vitest'
import { writeShim } from '../../../src/wire/frame.ts'
import { FakeNetwork } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

const ADDRESSES = ['127.0.0.1', '10.0.0.1', '::1', 'fd00::1']

function fakeHost(addresses: string[] = ADDRESSES, options: ConstructorParameters<typeof TestHost>[0] = {}) {
  const net = new FakeNetwork(...addresses)
  const host = new TestHost({ dgram: net.module, interfaces: net.interfaces, ...options })
  host.virtualUs = 0
  const listen = (address: string | undefined, port = 80, ipv6Only = false) =>
    host.tunnel.listen({ address, port, ipv6Only, reusePort: false })
  const bound = (): string[] => [...net.sockets].map(({ boundAddress, port }) => `${boundAddress}|${port}`)
  return { net, host, listen, bound }
}

const SYN = Buffer.alloc(7)
writeShim(SYN, 0, 0, 3)
SYN.write('SYN', 4)

describe('a listener on one address', () => {
  it('binds one socket, at once', () => {
    const { listen, bound } = fakeHost()
    expect(listen('10.0.0.1')).toMatchObject({ address: '10.0.0.1', port: 80, family: 'IPv4' })
    expect(bound()).toEqual(['10.0.0.1|80'])
  })

  it('tells the port that was chosen', () => {
    const { listen } = fakeHost()
    expect(listen('10.0.0.1', 0)).toMatchObject({ port: 40_000 })
  })

  it('keeps the mapped form that was asked for, and is IPv4 all the same', () => {
    const { listen, bound } = fakeHost()
    expect(listen('::ffff:10.0.0.1')).toMatchObject({ address: '::ffff:10.0.0.1', family: 'IPv6' })
    expect(bound()).toEqual(['10.0.0.1|80'])
  })

  it.each([
    ['10.0.0.1', 'EADDRINUSE'],
    ['10.0.0.99', 'EADDRNOTAVAIL'],
    ['10.0.0.255', 'EADDRNOTAVAIL'],
    ['224.0.0.1', 'EADDRNOTAVAIL'],
    ['nonsense', 'EINVAL'],
  ])('%s: %s', (address, code) => {
    const { listen, bound } = fakeHost()
    listen('10.0.0.1')
    expect(listen(address)).toBe(code)
    expect(bound()).toEqual(['10.0.0.1|80'])
  })

  it.each(['EACCES', 'EMFILE', 'EADDRINUSE'])('hands on %s', (code) => {
    const { net, listen, bound } = fakeHost()
    net.bindFailures = [code]
    expect(listen('10.0.0.1')).toBe(code)
    expect(bound()).toEqual([])
  })
})

describe('a wildcard listener', () => {
  it('binds every address of both families', () => {
    const { listen, bound } = fakeHost()
    expect(listen(undefined)).toMatchObject({ address: '::', family: 'IPv6', port: 80 })
    expect(bound()).toEqual(ADDRESSES.map((address) => `${address}|80`))
  })

  it.each([
    ['0.0.0.0', false, ['127.0.0.1|80', '10.0.0.1|80']],
    ['::', true, ['::1|80', 'fd00::1|80']],
    ['::', false, ADDRESSES.map((address) => `${address}|80`)],
  ])('on %s, ipv6Only %s', (address, ipv6Only, expected) => {
    const { listen, bound } = fakeHost()
    expect(listen(address, 80, ipv6Only)).toMatchObject({ address })
    expect(bound()).toEqual(expected)
  })

  it('is 0.0.0.0 where there is no IPv6', () => {
    const { listen } = fakeHost(['127.0.0.1'])
    expect(listen(undefined)).toMatchObject({ address: '0.0.0.0', family: 'IPv4' })
  })

  it('binds all or nothing', () => {
    const { net, listen, bound } = fakeHost()
    net.bindFailures = [null, null, 'EADDRINUSE']
    expect(listen(undefined)).toBe('EADDRINUSE')
    expect(bound()).toEqual([])
  })

  it('leaves out an address that vanished in between, or that is not ready', () => {
    const { net, listen, bound } = fakeHost()
    net.bindFailures = [null, 'EADDRNOTAVAIL']
    expect(listen(undefined)).toMatchObject({ port: 80 })
    expect(bound()).toEqual(['127.0.0.1|80', '::1|80', 'fd00::1|80'])
  })

  it('fails when no address can be had', () => {
    const { listen } = fakeHost([])
    expect(listen('0.0.0.0')).toBe('EADDRNOTAVAIL')
  })

  it('for port 0, looks for one that is free everywhere', () => {
    const { net, listen, bound } = fakeHost()
    // The first proposal is free for the first address only, the second for three of four.
    net.bindFailures = [null, null, 'EADDRINUSE', null, null, null, null, 'EADDRINUSE']
    expect(listen(undefined, 0)).toMatchObject({ port: 40_002 })
    expect(bound()).toEqual(ADDRESSES.map((address) => `${address}|40002`))
  })

  it('gives up when there is none', () => {
    const { net, listen, bound } = fakeHost()
    net.bindFailures = new Array<string | null>(100).fill('EADDRINUSE').map((code, i) => (i % 2 === 0 ? null : code))
    expect(listen(undefined, 0)).toBe('EADDRINUSE')
    expect(bound()).toEqual([])
  })

  it('conflicts with a listener on one of its addresses, and the other way round', () => {
    const { listen } = fakeHost()
    listen('10.0.0.1', 80)
    listen('::', 81)
    expect(listen(undefined, 80)).toBe('EADDRINUSE')
    expect(listen('10.0.0.1', 81)).toBe('EADDRINUSE')
  })

  it('follows addresses that come and go', () => {
    const { net, host, listen, bound } = fakeHost(['127.0.0.1', '10.0.0.1'])
    const listener = listen('0.0.0.0')
    expect(host.tunnel.deadline).toBe(3_000_000)
    net.addresses.splice(1, 1, '10.0.0.2', '10.0.0.3')
    host.tunnel.deadlinePassed(3_000_000)
    expect(bound()).toEqual(['127.0.0.1|80', '10.0.0.2|80', '10.0.0.3|80'])
    expect(host.tunnel.deadline).toBe(6_000_000)
    if (typeof listener !== 'string') listener.close()
    expect(bound()).toEqual([])
    expect(host.tunnel.deadline).toBe(Infinity)
  })

  it('looks for no changes where addresses are told once and for all', () => {
    const interfaces = new FakeNetwork('127.0.0.1', '10.0.0.1').interfaces()
    const { host, listen, bound } = fakeHost(ADDRESSES, { interfaces })
    listen('0.0.0.0')
    expect(bound()).toEqual(['127.0.0.1|80', '10.0.0.1|80'])
    expect(host.tunnel.deadline).toBe(Infinity)
  })
})

describe('a listening socket', () => {
  const peer = { address: '10.0.9.9', port: 5555 }

  it('closes with its last path', async () => {
    const { net, host, listen, bound } = fakeHost()
    const listener = listen('10.0.0.1')
    const [socket] = net.sockets
    socket.emit('message', SYN, peer)
    host.flush()
    if (typeof listener === 'string') throw new Error(listener)
    listener.close()
    listener.close()
    expect(bound()).toEqual(['10.0.0.1|80'])
    const { path } = host.heard[0]
    host.send(path, 'still here')
    expect(net.sent).toHaveLength(1)
    await turns(2)
    path.release()
    expect(bound()).toEqual([])
  })

  it('is taken up again by the next listener while it lives', () => {
    const { net, host, listen, bound } = fakeHost()
    const first = listen(undefined)
    const socket = [...net.sockets].find(({ boundAddress }) => boundAddress === '10.0.0.1')
    socket?.emit('message', SYN, peer)
    if (typeof first !== 'string') first.close()
    host.flush()
    expect(bound()).toEqual(['10.0.0.1|80'])
    expect(listen(undefined)).toMatchObject({ port: 80 })
    expect(bound()).toHaveLength(4)
    host.heard[0].path.release()
    expect(bound()).toHaveLength(4)
  })

  it('without a listener, lets strangers be refused', () => {
    const { net, host, listen } = fakeHost()
    const listener = listen('10.0.0.1')
    const [socket] = net.sockets
    socket.emit('message', SYN, peer)
    host.flush()
    if (typeof listener !== 'string') listener.close()
    host.keep = false
    socket.emit('message', SYN, { ...peer, port: 6666 })
    expect(host.heard).toHaveLength(2)
    host.flush()
    socket.emit('message', SYN, { ...peer, port: 6666 })
    expect(host.heard).toHaveLength(3)
  })
})

describe('tunnel mode', () => {
  const tunnel = { port: 9898 }

  it('binds one UDP port for all listeners, until the last closes', () => {
    const { host, listen, bound } = fakeHost(['10.0.0.1'], { tunnel })
    const listeners = [listen('10.0.0.1', 80), listen('10.0.0.1', 81)]
    expect(listeners).toMatchObject([{ port: 9898 }, { port: 9898 }])
    expect(bound()).toEqual(['10.0.0.1|9898'])
    for (const listener of listeners) {
      expect(bound()).toHaveLength(1)
      if (typeof listener === 'string') throw new Error(listener)
      listener.close()
      listener.close()
    }
    expect(bound()).toEqual([])
    expect(host.tunnel.deadline).toBe(Infinity)
  })

  it('binds the host that it is told', () => {
    const { listen, bound } = fakeHost(ADDRESSES, { tunnel: { ...tunnel, host: '10.0.0.1' } })
    listen(undefined, 80)
    expect(bound()).toEqual(['10.0.0.1|9898'])
  })

  it('speaks from the bound port, at the address that the kernel would choose', () => {
    const { net, host, listen } = fakeHost(ADDRESSES, { tunnel })
    listen(undefined, 80)
    net.addresses.reverse()
    const path = host.open('fd00::9', 9898)
    expect(path).toMatchObject({ localAddress: 'fd00::1', localPort: 9898 })
    expect(host.open('fd00::9', 9898)).toBe(path)
    host.send(path, 'hello')
    expect(net.sent).toMatchObject([{ from: 'fd00::1|9898', to: 'fd00::9|9898' }])
    expect(host.open('10.0.0.1', 9898)).toMatchObject({ localAddress: '10.0.0.1', localPort: 9898 })
    expect(host.open('127.0.0.5', 9898)).toMatchObject({ localAddress: '127.0.0.1', localPort: 9898 })
  })

  it('finds the path on which the peer spoke first', () => {
    const { net, host, listen } = fakeHost(['10.0.0.1'], { tunnel })
    listen(undefined, 80)
    const [socket] = net.sockets
    socket.emit('message', SYN, { address: '10.0.9.9', port: 9898 })
    expect(host.open('10.0.9.9', 9898)).toBe(host.heard[0].path)
    expect(host.heard).toHaveLength(1)
  })

  it('connects from an ephemeral port when nothing listens, one for all connections', () => {
    const { host, bound } = fakeHost(['10.0.0.1'], { tunnel })
    const path = host.open('10.0.9.9', 9898, { localPort: 1234 })
    expect(path.localPort).not.toBe(1234)
    expect(host.open('10.0.9.9', 9898, { localPort: 4321 })).toBe(path)
    expect(bound()).toHaveLength(1)
  })
})
