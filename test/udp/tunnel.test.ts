import dgram from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { writeShim } from '../../src/wire/frame.ts'
import { TestHost, turns, until } from '../unit/tunnel/host.ts'

const hosts: TestHost[] = []
const sockets: dgram.Socket[] = []

afterEach(async () => {
  for (const { tunnel } of hosts.splice(0)) tunnel.close()
  for (const socket of sockets.splice(0)) socket.close()
  await turns(3)
})

function newHost(options: ConstructorParameters<typeof TestHost>[0] = {}): TestHost {
  const host = new TestHost(options)
  hosts.push(host)
  return host
}

/** A host that answers each segment with `re: …`, each turn. */
function echoHost(options: ConstructorParameters<typeof TestHost>[0] = {}): TestHost {
  const host = newHost(options)
  host.onSegment = (path, segment) => host.write(path, `re: ${segment}`)
  host.onTurn = () => setImmediate(() => host.flush())
  return host
}

async function rawSocket(address: string, type: dgram.SocketType = 'udp4'): Promise<dgram.Socket> {
  const socket = dgram.createSocket(type)
  sockets.push(socket)
  socket.bind(0, address)
  await once(socket, 'listening')
  return socket
}

/** A UDP port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const socket = await rawSocket('127.0.0.1')
  const { port } = socket.address()
  sockets.splice(sockets.indexOf(socket), 1)
  socket.close()
  return port
}

function frame(segment: string): Buffer {
  const bytes = Buffer.alloc(4 + segment.length)
  writeShim(bytes, 0, 0, segment.length)
  bytes.write(segment, 4)
  return bytes
}

/** Addresses of this machine, link-local ones excepted. */
const ownAddresses = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .map(({ address }) => address)
  .filter((address) => !address.startsWith('fe80'))
const hasIPv6 = ownAddresses.includes('::1')
/** Without a network the wildcard stands in for 127.0.0.1. */
const hasNetwork = ownAddresses.some((address) => !address.includes(':') && !address.startsWith('127.'))

describe('listening and opening', () => {
  it('everything is bound when the call returns', () => {
    const host = newHost()
    const listener = host.listen('127.0.0.1')
    expect(listener.port).toBeGreaterThan(0)
    const other = newHost()
    expect(other.tunnel.listen({ address: '127.0.0.1', port: listener.port, ipv6Only: false, reusePort: false })).toBe(
      'EADDRINUSE',
    )
    listener.close()
    expect(other.listen('127.0.0.1', listener.port).port).toBe(listener.port)
  })

  it.each([
    ['203.0.113.77', 'EADDRNOTAVAIL'],
    ['2001:db8::77', 'EADDRNOTAVAIL'],
    ['fe80::77', 'EINVAL'],
    ['224.0.0.1', 'EADDRNOTAVAIL'],
  ])('listening on %s: %s', (address, code) => {
    expect(newHost().tunnel.listen({ address, port: 0, ipv6Only: false, reusePort: false })).toBe(code)
  })

  it.each([
    ['224.0.0.1', undefined, 'ENETUNREACH'],
    ['255.255.255.255', undefined, 'ENETUNREACH'],
    ['127.255.255.255', undefined, 'ENETUNREACH'],
    ['240.0.0.1', undefined, 'ENETUNREACH'],
    ['ff02::1', undefined, 'ENETUNREACH'],
    ['fe80::77', undefined, 'EINVAL'],
    ['fe80::77%nowhere', undefined, 'EINVAL'],
    ['127.0.0.1', '203.0.113.77', 'EADDRNOTAVAIL'],
    ['127.0.0.1', '::1', 'EINVAL'],
    ['203.0.113.77', '127.0.0.1', 'EINVAL'],
  ])('opening %s from %s: %s', (remoteAddress, localAddress, code) => {
    expect(newHost().tunnel.open({ remoteAddress, remotePort: 9, localAddress, localPort: 0 })).toBe(code)
  })

  it('carries segments both ways, on one path for all connections', async () => {
    const server = echoHost()
    const client = newHost()
    const listener = server.listen('127.0.0.1')
    const path = client.open('127.0.0.1', listener.port)
    expect(client.open('127.0.0.1', listener.port)).toBe(path)
    client.send(path, 'one', 'two')
    await until(() => client.texts.length === 2)
    expect(client.texts).toEqual(['re: one', 're: two'])
    expect(server.heard).toHaveLength(1)
    expect(server.heard[0].path).toMatchObject({ remotePort: path.localPort, localPort: listener.port, loopback: true })
    expect(server.counters).toMatchObject({ UdpInDatagrams: 1, UdpOutDatagrams: 1 })
  })

  it('carries the largest segment of loopback', async () => {
    const server = newHost()
    const client = newHost()
    const path = client.open('127.0.0.1', server.listen('127.0.0.1').port)
    const segment = Buffer.alloc(path.maxSegment, 0x5a)
    client.send(path, segment)
    await until(() => server.heard.length > 0)
    expect(server.heard[0].segments[0].equals(segment)).toBe(true)
    expect(path.maxSegment).toBeLessThanOrEqual(path.receiveBudget.granted / 16)
  })

  it('binds a local port that is asked for, for several destinations', async () => {
    const server = echoHost()
    const client = newHost()
    const ports = [server.listen('127.0.0.1').port, server.listen('127.0.0.1').port]
    const localPort = await closedPort()
    const paths = ports.map((port) => client.open('127.0.0.1', port, { localPort }))
    for (const path of paths) client.send(path, `to ${path.remotePort}`)
    await until(() => client.texts.length === 2)
    expect(client.heard.map(({ segments }) => segments.map(String))).toEqual(ports.map((port) => [`re: to ${port}`]))
    expect(server.heard.map(({ path }) => path.remotePort)).toEqual([localPort, localPort])
  })
})

describe('a port where nobody listens', () => {
  it('refuses at once', async () => {
    const client = newHost()
    const path = client.open('127.0.0.1', await closedPort())
    client.send(path, 'SYN')
    await until(() => client.heard[0].calls.length > 0)
    expect(client.heard[0].calls).toEqual(['refused'])
  })

  it('refuses a hundred times in a row', async () => {
    const client = newHost()
    const port = await closedPort()
    for (let i = 0; i < 100; i++) {
      const path = client.open('127.0.0.1', port)
      client.send(path, 'SYN')
      await until(() => client.heard[i].calls.length > 0)
      path.release()
    }
    expect(client.heard.every(({ calls }) => calls.includes('refused'))).toBe(true)
  })

  it('makes a send fail that was not sent, and is tried again', async () => {
    const client = newHost()
    const path = client.open('127.0.0.1', await closedPort())
    // The first is sent and refused; the second fails with that refusal; what is sent again may be met by the third's.
    const segment = Buffer.alloc(path.maxSegment)
    client.send(path, segment, segment, segment)
    await until(() => client.heard[0].calls.length >= 2)
    expect(new Set(client.heard[0].calls)).toEqual(new Set(['refused']))
    expect(client.counters.UdpSndbufErrors).toBe(0)
  })
})

describe('a wildcard listener', () => {
  it.each(ownAddresses)('answers who addressed %s from there', async (address) => {
    const server = echoHost()
    const client = newHost()
    const path = client.open(address, server.listen(hasIPv6 ? '::' : '0.0.0.0').port)
    client.send(path, 'hello')
    await until(() => client.texts.length > 0)
    expect(server.heard[0].path.localAddress).toBe(address)
  })

  it('answers on all of 127/8', async () => {
    const server = echoHost()
    const client = newHost()
    const { port } = server.listen('0.0.0.0')
    const addresses = ['127.0.0.2', '127.0.0.1', '127.3.4.5', '127.0.0.2']
    for (const [i, address] of addresses.entries()) {
      // Each from a socket of its own.
      const path = newHost().open(address, port)
      hosts[hosts.length - 1].send(path, `hello ${i}`)
      await until(() => hosts[hosts.length - 1].texts.length > 0)
    }
    expect(server.heard.map(({ path }) => path.localAddress)).toEqual(addresses)
    // The wildcard listens on: it was out of the way only for a moment.
    const path = client.open('127.9.9.9', port)
    client.send(path, 'hello')
    await until(() => client.texts.length > 0)
  })

  it('answers no broadcast', async () => {
    const server = echoHost()
    const { port } = server.listen('0.0.0.0')
    const client = await rawSocket('0.0.0.0')
    client.setBroadcast(true)
    const heard: Buffer[] = []
    client.on('message', (message) => heard.push(message))
    client.send(frame('to all of loopback'), port, '127.255.255.255')
    client.send(frame('to one'), port, '127.0.0.1')
    const expected = hasNetwork ? ['to one'] : ['to all of loopback', 'to one']
    await until(() => heard.length > 0)
    await turns(5)
    expect(server.texts).toEqual(expected)
    expect(Buffer.concat(heard)).toEqual(Buffer.concat(expected.map((text) => frame(`re: ${text}`))))
  })

  it('on port 0 has the same port everywhere, and it alone', () => {
    const { port } = newHost().listen(undefined)
    for (const address of ownAddresses) {
      expect(newHost().tunnel.listen({ address, port, ipv6Only: false, reusePort: false })).toBe('EADDRINUSE')
    }
    expect(newHost().tunnel.listen({ address: '0.0.0.0', port, ipv6Only: false, reusePort: false })).toBe('EADDRINUSE')
  })

  it('fails when one of its addresses is taken, and leaves the others free', async () => {
    const { port } = (await rawSocket('127.0.0.1')).address()
    const host = newHost()
    expect(host.tunnel.listen({ address: undefined, port, ipv6Only: false, reusePort: false })).toBe('EADDRINUSE')
    for (const address of ownAddresses) {
      if (address !== '127.0.0.1') expect(newHost().listen(address, port).port).toBe(port)
    }
  })

  it('closes each socket with its last path, and can be bound again meanwhile', async () => {
    const server = echoHost()
    const client = newHost()
    const listener = server.listen('0.0.0.0')
    const path = client.open('127.0.0.1', listener.port)
    client.send(path, 'hello')
    await until(() => client.texts.length === 1)
    listener.close()
    client.send(path, 'still here')
    await until(() => client.texts.length === 2)
    const again = server.listen('0.0.0.0', listener.port)
    client.send(path, 'and again')
    await until(() => client.texts.length === 3)
    again.close()
    server.heard[0].path.release()
    expect(newHost().listen('0.0.0.0', listener.port).port).toBe(listener.port)
  })
})

describe('garbage', () => {
  it('is counted and not answered', async () => {
    const server = echoHost()
    const listener = server.listen('127.0.0.1')
    const client = await rawSocket('127.0.0.1')
    let answers = 0
    client.on('message', () => answers++)
    const garbage = ['', 'GET / HTTP/1.1\r\n\r\n', '\x0a', '\x0a\x10\xff\xff', '\x0a\x20\x00\x00', '\x0a\x1f\x00\x00']
    for (const text of garbage) client.send(Buffer.from(text, 'latin1'), listener.port, '127.0.0.1')
    client.send(frame('valid'), listener.port, '127.0.0.1')
    await until(() => answers > 0)
    await turns(3)
    expect(server.counters).toMatchObject({ UdpInDatagrams: garbage.length + 1, UdpInErrors: garbage.length })
    expect(answers).toBe(1)
  })
})

describe('receive buffers', () => {
  it('hold what the windows promise', async () => {
    for (const recvBufferSize of [106_496, undefined]) {
      for (const mtu of ['auto', 1500, 9000] as const) {
        const server = newHost({ recvBufferSize, mtu })
        const client = newHost({ mtu })
        const path = client.open('127.0.0.1', server.listen('127.0.0.1').port)
        client.send(path, 'hello')
        await until(() => server.texts.length === 1)
        const { maxSegment, receiveBudget } = server.heard[0].path
        const count = Math.floor(receiveBudget.windowLimit(maxSegment) / maxSegment)
        // In one go, so that nothing is read in between.
        client.send(path, ...Array.from({ length: count }, () => Buffer.alloc(maxSegment)))
        await until(() => server.texts.length === 1 + count)
      }
    }
  })

  it('what they cannot hold is counted', async () => {
    const server = newHost({ recvBufferSize: 106_496 })
    const client = newHost()
    const path = client.open('127.0.0.1', server.listen('127.0.0.1').port)
    client.send(path, ...Array.from({ length: 40 }, () => Buffer.alloc(path.maxSegment)))
    await until(() => server.texts.length > 0)
    await turns()
    server.tunnel.countDrops()
    expect(server.texts.length + server.counters.UdpRcvbufErrors).toBeGreaterThanOrEqual(20)
    expect(server.counters.UdpRcvbufErrors).toBeGreaterThan(0)
  })
})

describe('tunnel mode', () => {
  it('speaks from the one port that it listens on', async () => {
    const server = echoHost({ tunnel: { port: 0, host: '127.0.0.1' } })
    const { port } = server.listen('127.0.0.1', 80)
    expect(server.listen('127.0.0.1', 443).port).toBe(port)
    const client = echoHost({ tunnel: { port: 0, host: '127.0.0.1' } })
    const clientPort = client.listen(undefined, 80).port
    client.onSegment = () => {}
    const path = client.open('127.0.0.1', port)
    expect(path.localPort).toBe(clientPort)
    client.send(path, 'hello')
    await until(() => client.texts.length > 0)
    expect(server.open('127.0.0.1', clientPort)).toBe(server.heard[0].path)
  })

  it('a stack that only connects uses an ephemeral port', async () => {
    const server = echoHost({ tunnel: { port: 0 } })
    const { port } = server.listen(undefined, 80)
    const client = newHost({ tunnel: { port: 1 } })
    const path = client.open('127.0.0.1', port)
    client.send(path, 'hello')
    await until(() => client.texts.length > 0)
    expect(path.localPort).not.toBe(1)
  })
})

describe('the event loop', () => {
  it('is never held open by a tunnel', async () => {
    const handles = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('UDP')).length
    const before = handles()
    const server = echoHost()
    const client = newHost()
    const path = client.open('127.0.0.1', server.listen(undefined).port)
    client.send(path, 'hello')
    await until(() => client.texts.length > 0)
    expect(handles()).toBe(before)
  })
})
