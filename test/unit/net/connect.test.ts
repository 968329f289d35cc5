import dns from 'node:dns'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo, LookupFunction } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Socket } from '../../../src/net/types.ts'
import { CloseReason } from '../../../src/stack/index.ts'
import { closed, connecting, failed, fakeNet, listening, log, onBoth, pair, turns } from '../../support/net-cases.ts'

/** A lookup that knows these, as `dns.lookup` answers. */
function lookupOf(...addresses: { address: string; family: number }[]): LookupFunction {
  return (_, options, callback) => {
    process.nextTick(() => {
      if (options.all) callback(null, addresses as dns.LookupAddress[])
      else callback(null, addresses[0].address, addresses[0].family)
    })
  }
}

onBoth('forms of connect', (net) => {
  it.each([
    ['(port, host, cb)', (port: number, cb: () => void) => net.connect(port, '127.0.0.1', cb)],
    ['(port, cb)', (port: number, cb: () => void) => net.connect(port, cb)],
    ['(port as string)', (port: number, cb: () => void) => net.connect(String(port) as never, cb)],
    ['(options, cb)', (port: number, cb: () => void) => net.connect({ port, host: '127.0.0.1' }, cb)],
    ['createConnection', (port: number, cb: () => void) => net.createConnection(port, '127.0.0.1', cb)],
    ['host null', (port: number, cb: () => void) => net.connect({ port, host: null as never }, cb)],
    ['socket.connect', (port: number, cb: () => void) => new net.Socket().connect(port, '127.0.0.1', cb)],
    ['without new', (port: number, cb: () => void) => net.Socket().connect({ port }, cb)],
  ])('%s', async (_, connect) => {
    const { port } = await listening(net, { listen: { port: 0 } })
    let thisInCallback: unknown
    const client = connect(port, function (this: unknown) {
      thisInCallback = this
    })
    expect(client).toBeInstanceOf(net.Socket)
    expect(client.connecting).toBe(true)
    await once(client, 'connect')
    expect(thisInCallback).toBe(client)
    expect(client.connecting).toBe(false)
    client.destroy()
  })

  it('goes through a patched Socket.prototype.connect', async () => {
    const { port } = await listening(net)
    const connect = vi.spyOn(net.Socket.prototype, 'connect')
    onTestFinished(() => connect.mockRestore())
    const client = connecting(net, { port })
    await once(client, 'connect')
    expect(connect).toHaveBeenCalledTimes(1)
    expect(connect.mock.calls[0].length).toBe(1)
  })

  it('options of the socket: allowHalfOpen, timeout, noDelay, keepAlive, highWaterMark', async () => {
    const { port } = await listening(net)
    const client = connecting(net, { port, allowHalfOpen: true, timeout: 5000, noDelay: true, highWaterMark: 100 })
    expect([client.allowHalfOpen, client.timeout, client.writableHighWaterMark]).toEqual([true, 5000, 100])
    await once(client, 'connect')
  })
})

onBoth('lookup', (net) => {
  it('an address needs none', async () => {
    const { port } = await listening(net)
    let called = false
    const client = connecting(net, { port, lookup: () => (called = true) })
    const events = log(client)
    await once(client, 'ready')
    expect(called).toBe(false)
    expect(events).toEqual(['connectionAttempt', 'connect', 'ready'])
  })

  it("'lookup' tells error, address, family, host", async () => {
    const { port } = await listening(net)
    const client = connecting(net, {
      port,
      host: 'some.where',
      family: 4,
      lookup: lookupOf({ address: '127.0.0.1', family: 4 }),
    })
    expect(await once(client, 'lookup')).toEqual([null, '127.0.0.1', 4, 'some.where'])
    await once(client, 'connect')
    expect(client.remoteAddress).toBe('127.0.0.1')
  })

  it('is asked for the family and the hints that were given', async () => {
    const asked: unknown[] = []
    const lookup = ((host: string, options: unknown) => asked.push(host, options)) as unknown as LookupFunction
    connecting(net, { port: 1, host: 'a', family: 6, lookup })
    connecting(net, { port: 1, host: 'b', hints: dns.V4MAPPED, lookup })
    connecting(net, { port: 1, host: 'c', localAddress: '127.0.0.1', lookup })
    connecting(net, { port: 1, host: 'd', family: 'IPv4' as never, lookup })
    connecting(net, { port: 1, host: 'e', autoSelectFamily: false, lookup })
    expect(asked).toEqual([
      ...['a', { family: 6, hints: 0 }],
      ...['b', { family: undefined, hints: dns.V4MAPPED, all: true }],
      ...['c', { family: undefined, hints: dns.ADDRCONFIG }],
      ...['d', { family: 4, hints: 0 }],
      ...['e', { family: undefined, hints: dns.ADDRCONFIG }],
    ])
  })

  it.each([true, false])(
    'an error of it is the error of the socket (autoSelectFamily %s)',
    async (autoSelectFamily) => {
      const wrong = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
      const lookup = ((_: string, __: unknown, callback: (error: Error) => void) =>
        callback(wrong)) as unknown as LookupFunction
      const client = connecting(net, { port: 1, host: 'a', autoSelectFamily, lookup })
      const looked: unknown[][] = []
      client.on('lookup', (...args) => looked.push(args))
      expect(await failed(client)).toBe(wrong)
      // It came before `connect` returned, when nobody listened.
      expect(looked).toEqual([])
    },
  )

  it.each([
    ['an address that is none', { address: 'x', family: 4 }, 'ERR_INVALID_IP_ADDRESS', 'Invalid IP address: x'],
    [
      'a family that is none',
      { address: '127.0.0.1', family: 5 },
      'ERR_INVALID_ADDRESS_FAMILY',
      'Invalid address family: 5 a:1',
    ],
  ])('%s', async (_, answer, code, message) => {
    for (const autoSelectFamily of [true, false]) {
      const client = connecting(net, { port: 1, host: 'a', autoSelectFamily, lookup: lookupOf(answer) })
      const error = await failed(client)
      expect(error).toMatchObject({ code, message })
    }
  })

  it('destroyed meanwhile: nothing follows', async () => {
    let answer = () => {}
    const lookup = ((_: string, __: unknown, callback: (error: null, address: string, family: number) => void) => {
      answer = () => callback(null, '127.0.0.1', 4)
    }) as unknown as LookupFunction
    const client = connecting(net, { port: 1, host: 'a', family: 4, lookup })
    const events = log(client, ['connectionAttempt', 'error', 'close'])
    client.destroy()
    answer()
    await closed(client)
    expect(events).toEqual(['close false'])
  })
})

const both = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

onBoth('autoSelectFamily', (net) => {
  it('tries the next address when one is refused', async () => {
    const { port } = await listening(net, { listen: { port: 0, host: '::1' } })
    const client = connecting(net, { port, host: 'a', autoSelectFamily: true, lookup: lookupOf(...both) })
    const attempts: unknown[] = []
    client.on('connectionAttempt', (...args) => attempts.push(['attempt', ...args]))
    client.on('connectionAttemptFailed', (address, _, family, error) =>
      attempts.push(['failed', address, family, (error as NodeJS.ErrnoException).code]),
    )
    await once(client, 'connect')
    expect(attempts).toEqual([
      ['attempt', '127.0.0.1', port, 4],
      ['failed', '127.0.0.1', 4, 'ECONNREFUSED'],
      ['attempt', '::1', port, 6],
    ])
    expect(client.autoSelectFamilyAttemptedAddresses).toEqual([`127.0.0.1:${port}`, `::1:${port}`])
    expect([client.remoteAddress, client.remoteFamily]).toEqual(['::1', 'IPv6'])
  })

  it('fails with all errors', async () => {
    const { port, server } = await listening(net)
    server.close()
    await once(server, 'close')
    const client = connecting(net, { port, host: 'a', autoSelectFamily: true, lookup: lookupOf(...both) })
    const close = closed(client)
    const error = (await failed(client)) as unknown as AggregateError & { code: string }
    expect(error).toBeInstanceOf(AggregateError)
    expect([error.name, error.message, error.code]).toEqual(['AggregateError', '', 'ECONNREFUSED'])
    expect(error.errors.map(({ message }) => message)).toEqual([
      `connect ECONNREFUSED 127.0.0.1:${port}`,
      `connect ECONNREFUSED ::1:${port}`,
    ])
    expect(await close).toEqual([true])
  })

  it('takes families in turn, each address once', async () => {
    const { port, server } = await listening(net)
    server.close()
    await once(server, 'close')
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }))
    const lookup = lookupOf(...addresses, { address: '::1', family: 6 }, { address: 'nonsense', family: 4 })
    const client = connecting(net, { port, host: 'a', autoSelectFamily: true, lookup })
    await failed(client)
    expect(client.autoSelectFamilyAttemptedAddresses).toEqual([`127.0.0.1:${port}`, `::1:${port}`, `127.0.0.2:${port}`])
  })

  it('one address is a plain connect', async () => {
    const { port } = await listening(net)
    const client = connecting(net, { port, host: 'a', autoSelectFamily: true, lookup: lookupOf(both[0]) })
    await once(client, 'connect')
    expect(client.autoSelectFamilyAttemptedAddresses).toBe(undefined)
  })
})

describe('autoSelectFamily with a silent address', () => {
  it('goes on after the timeout, and forgets the attempt', async () => {
    const { net, stack } = fakeNet()
    stack.silent.add('192.0.2.1')
    const { port } = await listening(net)
    const lookup = lookupOf({ address: '192.0.2.1', family: 4 }, { address: '127.0.0.1', family: 4 })
    const client = connecting(net, {
      port,
      host: 'a',
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 50,
      lookup,
    })
    const timeouts: unknown[] = []
    client.on('connectionAttemptTimeout', (...args) => timeouts.push(args))
    await once(client, 'connect')
    expect(timeouts).toEqual([['192.0.2.1', port, 4]])
    expect(client.remoteAddress).toBe('127.0.0.1')
    expect([...stack.endpoints].filter(({ remoteAddress }) => remoteAddress === '192.0.2.1')).toEqual([])
  })

  it('an attempt that timed out is ETIMEDOUT among the errors', async () => {
    const { net, stack } = fakeNet()
    stack.silent.add('192.0.2.1')
    stack.failures.set('192.0.2.2', CloseReason.HostUnreachable)
    const lookup = lookupOf({ address: '192.0.2.1', family: 4 }, { address: '192.0.2.2', family: 4 })
    const client = connecting(net, {
      port: 7,
      host: 'a',
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 50,
      lookup,
    })
    const error = (await failed(client)) as unknown as AggregateError
    expect(error.errors.map(({ message }) => message)).toEqual([
      'connect ETIMEDOUT 192.0.2.1:7',
      'connect EHOSTUNREACH 192.0.2.2:7',
    ])
  })

  it('destroyed while it waits: no timer, no attempt, no endpoint remains', async () => {
    const { net, stack } = fakeNet()
    stack.silent.add('192.0.2.1')
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const lookup = lookupOf({ address: '192.0.2.1', family: 4 }, both[0])
    const client = connecting(net, { port: 7, host: 'a', autoSelectFamily: true, lookup })
    const events = log(client, ['connectionAttempt', 'error', 'close'])
    await turns()
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(before + 1)
    client.destroy()
    await closed(client)
    expect(events.filter((event) => event !== 'connectionAttempt')).toEqual(['close false'])
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(before)
    expect(stack.endpoints.size).toBe(0)
  })
})

onBoth('connecting again', (net) => {
  it('the same socket, many times', async () => {
    const { port } = await listening(net, {}, (socket) => {
      socket.on('data', (chunk) => socket.end(chunk))
    })
    const client = new net.Socket()
    let received = ''
    client.on('data', (chunk) => {
      received += chunk
    })
    for (let i = 0; i < 20; i++) {
      client.connect(port, '127.0.0.1')
      client.write(`${i},`)
      await closed(client)
      expect([client.bytesRead, client.destroyed, client.readyState]).toEqual([String(i).length + 1, true, 'closed'])
    }
    expect(received).toBe(`${Array.from({ length: 20 }, (_, i) => i).join(',')},`)
  })

  it('after it was refused, again and again', async () => {
    const { port, server } = await listening(net)
    server.close()
    await once(server, 'close')
    const client = new net.Socket()
    const codes: unknown[] = []
    client.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
    for (let i = 0; i < 100; i++) {
      client.connect(port, '127.0.0.1')
      await closed(client)
    }
    expect(codes).toEqual(Array(100).fill('ECONNREFUSED'))
  })

  it('from within close', async () => {
    const { port } = await listening(net, {}, (socket) => socket.end())
    const client = new net.Socket()
    client.resume()
    let left = 5
    await new Promise<void>((resolve) => {
      client.on('close', () => {
        if (--left === 0) resolve()
        else client.connect(port, '127.0.0.1')
      })
      client.connect(port, '127.0.0.1')
    })
  })
})

onBoth('connecting twice', (net) => {
  it('while it connects is EALREADY', async () => {
    const { port } = await listening(net)
    const client = connecting(net, { port })
    client.connect(port, '127.0.0.1')
    const error = await failed(client)
    expect(error.message).toMatch(new RegExp(`^connect EALREADY 127.0.0.1:${port} - Local \\(127.0.0.1:\\d+\\)$`))
    expect(error).toMatchObject({ errno: -114, syscall: 'connect' })
  })

  it.runIf(process.platform === 'linux')('when it is connected: Linux says yes once, then EISCONN', async () => {
    const { client, peer, server } = await pair(net)
    const { port } = server.address() as AddressInfo
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.connect(port, '127.0.0.1')
    expect((await failed(client)).message).toContain('connect EISCONN')
    peer.resume()
    await closed(peer)
  })
})

describe('connecting again, sluice', () => {
  it('with a write from within close: the write belongs to the next connection', async () => {
    // Node writes what was given up as well, and fails for calling back twice.
    const { net } = fakeNet()
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = new net.Socket()
    onTestFinished(() => {
      client.destroy()
    })
    client.connect(port, '127.0.0.1')
    client.write('given up')
    const written = new Promise((resolve) => {
      client.once('close', () => {
        client.connect(port, '127.0.0.1')
        client.write('kept', resolve)
      })
    })
    client.destroy()
    const [peer] = await accepted
    expect(String((await once(peer, 'data'))[0])).toBe('kept')
    expect(await written).toBe(null)
  })

  it('nothing that waited for a failed connect reaches the next', async () => {
    const { net } = fakeNet()
    const { port, server } = await listening(net)
    server.close()
    await once(server, 'close')
    const client = new net.Socket()
    client.on('error', () => {})
    client.connect(port, '127.0.0.1')
    client.write('old')
    client.end()
    await closed(client)
    const next = await listening(net)
    const accepted = once(next.server, 'connection') as Promise<[Socket]>
    client.connect(next.port, '127.0.0.1')
    client.write('new')
    const [peer] = await accepted
    const [data] = await once(peer, 'data')
    expect(String(data)).toBe('new')
    expect([client.writable, peer.readableEnded]).toEqual([true, false])
  })
})

onBoth('AbortSignal', (net) => {
  it('destroys the socket with AbortError', async () => {
    const { port } = await listening(net)
    const controller = new AbortController()
    const client = connecting(net, { port, signal: controller.signal })
    await once(client, 'connect')
    const error = failed(client)
    controller.abort()
    expect(await error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' })
    expect(client.destroyed).toBe(true)
  })

  it('aborted before: AbortError, and no connection', async () => {
    const { port, server } = await listening(net)
    let connections = 0
    server.on('connection', () => connections++)
    const socket = new net.Socket({ signal: AbortSignal.abort() })
    const error = failed(socket)
    expect(await error).toMatchObject({ name: 'AbortError' })
    expect([port > 0, connections]).toEqual([true, 0])
  })
})

onBoth('names of the ends', (net) => {
  it('IPv4', async () => {
    const { client, peer } = await pair(net)
    expect([client.remoteAddress, client.remoteFamily, client.remotePort]).toEqual([
      '127.0.0.1',
      'IPv4',
      peer.localPort,
    ])
    expect([peer.remoteAddress, peer.remoteFamily, peer.remotePort]).toEqual(['127.0.0.1', 'IPv4', client.localPort])
    expect(client.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port: client.localPort })
    expect([client.localAddress, client.localFamily]).toEqual(['127.0.0.1', 'IPv4'])
    expect([peer.localAddress, peer.localFamily]).toEqual(['127.0.0.1', 'IPv4'])
  })

  it('IPv6, and IPv4 on a dual-stack server', async () => {
    const { port, server } = await listening(net, { listen: { port: 0 } })
    for (const [host, seen] of [
      ['::1', '::1'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
      ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ]) {
      const accepted = once(server, 'connection') as Promise<[Socket]>
      const client = connecting(net, { port, host })
      const [peer] = await accepted
      if (client.connecting) await once(client, 'connect')
      expect([peer.remoteAddress, peer.remoteFamily, peer.localAddress]).toEqual([seen, 'IPv6', seen])
      expect([client.remoteAddress, client.remoteFamily]).toEqual([host, host.includes(':') ? 'IPv6' : 'IPv4'])
      client.destroy()
    }
  })

  it('localAddress and localPort bind', async () => {
    const first = await pair(net)
    const localPort = first.client.localPort as number
    first.client.resetAndDestroy()
    await closed(first.peer)
    const { client, peer } = await pair(net, { client: { localAddress: '127.0.0.2', localPort } })
    expect([client.localAddress, client.localPort]).toEqual(['127.0.0.2', localPort])
    expect([peer.remoteAddress, peer.remotePort]).toEqual(['127.0.0.2', localPort])
  })

  it('before the connect there are none', () => {
    const socket = new net.Socket()
    expect(socket.address()).toEqual({})
    expect([socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort]).toEqual(
      Array(4).fill(undefined),
    )
  })

  it('the remote end stays readable after close', async () => {
    const { client, peer } = await pair(net)
    const before = [client.remoteAddress, client.remotePort, client.remoteFamily]
    peer.destroy()
    client.resume()
    await closed(client)
    expect([client.remoteAddress, client.remotePort, client.remoteFamily]).toEqual(before)
    expect(client.address()).toEqual({})
  })
})

describe('names of the ends, sluice', () => {
  it('the local end stays readable too, and a new connect forgets it', async () => {
    const { net } = fakeNet()
    const { client, peer, server } = await pair(net)
    const before = [client.localAddress, client.localPort, client.localFamily]
    peer.destroy()
    client.resume()
    await closed(client)
    expect([client.localAddress, client.localPort, client.localFamily]).toEqual(before)
    client.connect((server.address() as { port: number }).port, '127.0.0.1')
    expect([client.localAddress, client.remoteAddress]).toEqual([undefined, undefined])
    await once(client, 'connect')
    expect(client.localPort).not.toBe(before[1])
  })
})

describe('what the stack is asked for', () => {
  it('the options of tcp go along', async () => {
    const { net, stack } = fakeNet()
    const { port } = await listening(net)
    const client = connecting(net, { port, tcp: { tunnelPort: 9898 } })
    await once(client, 'connect')
    const [endpoint] = [...stack.endpoints].filter(({ request }) => request !== undefined)
    expect(endpoint.request).toEqual({ address: '127.0.0.1', port, tunnelPort: 9898 })
  })

  it('two sockets of two stacks do not meet, and are of one class', async () => {
    const one = fakeNet()
    const other = fakeNet()
    const { port } = await listening(one.net)
    expect((await failed(connecting(other.net, { port }))).code).toBe('ECONNREFUSED')
    const socket = new other.net.Socket({ stack: one.stack.asStack })
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    expect(socket).toBeInstanceOf(one.net.Socket)
    expect(one.net.createServer()).toBeInstanceOf(other.net.Server)
    expect(socket).toBeInstanceOf(EventEmitter)
    socket.destroy()
  })
})
