import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Net } from '../../../src/net/net.ts'
import { CloseReason } from '../../../src/stack/index.ts'
import { closed, connecting, failed, fakeNet, kernel, listening, onBoth, pair, turns } from '../../support/net-cases.ts'

/** A port of 127.0.0.1 where nobody listens. */
async function freePort(net: Net): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

onBoth('errors of connect', (net) => {
  it('ECONNREFUSED has its address and port', async () => {
    const port = await freePort(net)
    const client = connecting(net, { port })
    const attempts: unknown[][] = []
    client.on('connectionAttemptFailed', (...args) => attempts.push(args))
    const close = closed(client)
    const error = await failed(client)
    expect(error.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`)
    expect(Object.entries(error)).toEqual([
      ['errno', -111],
      ['code', 'ECONNREFUSED'],
      ['syscall', 'connect'],
      ['address', '127.0.0.1'],
      ['port', port],
    ])
    expect(attempts).toEqual([['127.0.0.1', port, 4, error]])
    expect(await close).toEqual([true])
    expect(client.connecting).toBe(false)
  })

  it('names the local end that was bound', async () => {
    const port = await freePort(net)
    const localPort = await freePort(net)
    const error = await failed(connecting(net, { port, localAddress: '127.0.0.1', localPort }))
    expect(error.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port} - Local (127.0.0.1:${localPort})`)
    expect(error).toMatchObject({ localAddress: '127.0.0.1', localPort })
    const wild = await failed(connecting(net, { port, localPort }))
    expect(wild.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port} - Local (0.0.0.0:${localPort})`)
  })

  it('EADDRNOTAVAIL and EADDRINUSE of the local end are errors of bind', async () => {
    const { port } = await listening(net)
    const foreign = await failed(connecting(net, { port, localAddress: '192.0.2.1' }))
    expect(foreign.message).toBe('bind EADDRNOTAVAIL 192.0.2.1')
    expect(Object.keys(foreign)).toEqual(['errno', 'code', 'syscall', 'address'])
    const taken = await failed(connecting(net, { port, localAddress: '127.0.0.1', localPort: port }))
    expect(taken.message).toBe(`bind EADDRINUSE 127.0.0.1:${port}`)
    expect(taken).toMatchObject({ errno: -98, syscall: 'bind', address: '127.0.0.1', port })
  })

  it('a destination that the host refuses at once', async () => {
    const error = await failed(connecting(net, { port: 80, host: '255.255.255.255' }))
    expect(error.message).toBe('connect ENETUNREACH 255.255.255.255:80 - Local (0.0.0.0:0)')
    expect(Object.keys(error)).toEqual(['errno', 'code', 'syscall', 'address', 'port'])
  })

  it('the error comes after the call, when listeners are there, and once', async () => {
    const port = await freePort(net)
    const client = connecting(net, { port })
    const codes: unknown[] = []
    client.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
    await closed(client)
    expect(codes).toEqual(['ECONNREFUSED'])
  })
})

describe('errors of connect that only a network can make', () => {
  it.each([
    [CloseReason.ConnectTimedOut, 'ETIMEDOUT', -110],
    [CloseReason.NetUnreachable, 'ENETUNREACH', -101],
    [CloseReason.HostUnreachable, 'EHOSTUNREACH', -113],
    [CloseReason.Reset, 'ECONNRESET', -104],
    [CloseReason.Aborted, 'ECONNABORTED', -103],
  ])('reason %i is %s', async (reason, code, errno) => {
    const { net, stack } = fakeNet()
    stack.failures.set('192.0.2.7', reason)
    const error = await failed(connecting(net, { port: 80, host: '192.0.2.7' }))
    expect(error.message).toBe(`connect ${code} 192.0.2.7:80`)
    expect(error).toMatchObject({ code, errno, syscall: 'connect', address: '192.0.2.7', port: 80 })
  })

  it.each([
    [CloseReason.Reset, 'ECONNRESET', -104],
    [CloseReason.TimedOut, 'ETIMEDOUT', -110],
    [CloseReason.Refused, 'ECONNRESET', -104],
    [CloseReason.HostUnreachable, 'EHOSTUNREACH', -113],
  ])('established, reason %i is read %s without an address', async (reason, code, errno) => {
    const { net, stack } = fakeNet()
    const { client } = await pair(net)
    const error = failed(client)
    const [endpoint] = [...stack.endpoints].filter(({ localPort }) => localPort === client.localPort)
    stack.later(() => endpoint.finish(reason))
    expect(Object.entries(await error)).toEqual([
      ['errno', errno],
      ['code', code],
      ['syscall', 'read'],
    ])
    expect((await error).message).toBe(`read ${code}`)
  })
})

onBoth('errors of listen', (net) => {
  it('EADDRINUSE comes as an event, a tick later', async () => {
    const { port } = await listening(net)
    const other = net.createServer()
    const order: string[] = []
    const error = failed(other)
    other.once('error', () => order.push('error'))
    other.listen(port, '127.0.0.1')
    order.push('returned')
    expect((await error).message).toBe(`listen EADDRINUSE: address already in use 127.0.0.1:${port}`)
    expect(Object.entries(await error)).toEqual([
      ['code', 'EADDRINUSE'],
      ['errno', -98],
      ['syscall', 'listen'],
      ['address', '127.0.0.1'],
      ['port', port],
    ])
    expect(order).toEqual(['returned', 'error'])
    expect(other.listening).toBe(false)
    expect(other.address()).toBe(null)
  })

  it('EADDRINUSE without a host names the wildcard', async () => {
    const { port } = await listening(net, { listen: { port: 0 } })
    const error = await failed(net.createServer().listen(port))
    expect(error.message).toBe(`listen EADDRINUSE: address already in use :::${port}`)
  })

  it('EADDRNOTAVAIL', async () => {
    const error = await failed(net.createServer().listen(0, '192.0.2.1'))
    expect(error.message).toBe('listen EADDRNOTAVAIL: address not available 192.0.2.1')
    expect(Object.keys(error)).toEqual(['code', 'errno', 'syscall', 'address'])
  })

  it('a server that failed may listen again', async () => {
    const { port } = await listening(net)
    const server = net.createServer()
    await failed(server.listen(port, '127.0.0.1'))
    server.listen(0)
    await once(server, 'listening')
    expect((server.address() as AddressInfo).port).toBeGreaterThan(0)
    server.close()
  })
})

onBoth('errors of a connection', (net) => {
  it('a reset is read ECONNRESET, once, to who reads', async () => {
    const { client, peer } = await pair(net)
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    const close = closed(client)
    const peerClose = closed(peer)
    peer.resetAndDestroy()
    expect(await close).toEqual([true])
    expect(await peerClose).toEqual([false])
    expect(errors.map((error) => Object.entries(error))).toEqual([
      [
        ['errno', -104],
        ['code', 'ECONNRESET'],
        ['syscall', 'read'],
      ],
    ])
    expect(errors[0].message).toBe('read ECONNRESET')
  })

  it('who does not read learns of a reset by writing', async () => {
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    const close = closed(client)
    client.resetAndDestroy()
    await close
    await turns(10)
    expect(peer.destroyed).toBe(false)
    const error = failed(peer)
    const written = new Promise((resolve) => peer.write('x', resolve))
    expect((await error).message).toBe('write ECONNRESET')
    expect(await error).toMatchObject({ syscall: 'write', errno: -104 })
    expect(await written).toBe(await error)
  })

  it('a reset behind the end of the stream is EPIPE to the next write', async () => {
    const { client, peer } = await pair(net, { allowHalfOpen: true })
    peer.resume()
    client.end()
    await once(peer, 'end')
    const close = closed(client)
    client.resetAndDestroy()
    await close
    await turns(10)
    expect(peer.destroyed).toBe(false)
    const error = failed(peer)
    peer.write('x')
    expect((await error).message).toBe('write EPIPE')
    expect(await error).toMatchObject({ syscall: 'write', errno: -32 })
  })
})

describe('wrong arguments throw what Node throws', () => {
  const listener = () => {}
  const calls: [string, (net: Net) => unknown][] = [
    ['connect()', (net) => (net.connect as unknown as () => void)()],
    ['connect({})', (net) => net.connect({} as never)],
    ['connect(cb)', (net) => net.connect(listener as never)],
    ['connect(70000)', (net) => net.connect(70_000)],
    ['connect(-1)', (net) => net.connect(-1)],
    ['connect(1.5)', (net) => net.connect(1.5)],
    ['connect(NaN)', (net) => net.connect(Number.NaN)],
    ['connect port x', (net) => net.connect({ port: 'x' as never })],
    ['connect port ""', (net) => net.connect({ port: '' as never })],
    ['connect port true', (net) => net.connect({ port: true as never })],
    ['connect port null', (net) => net.connect({ port: null as never })],
    ['connect port {}', (net) => net.connect({ port: {} as never })],
    ['connect port []', (net) => net.connect({ port: [] as never })],
    ['connect port function', (net) => net.connect({ port: listener as never })],
    ['connect port symbol', (net) => net.connect({ port: Symbol('p') as never })],
    ['connect port bigint', (net) => net.connect({ port: 80n as never })],
    ['connect port object without prototype', (net) => net.connect({ port: Object.create(null) })],
    ['connect port long string', (net) => net.connect({ port: 'a port whose name is rather long' as never })],
    ['connect lookup', (net) => net.connect({ port: 1, host: 'a', lookup: 1 as never })],
    ['connect localAddress', (net) => net.connect({ port: 1, localAddress: 'x' })],
    ['connect localPort', (net) => net.connect({ port: 1, localPort: 'x' as never })],
    ['connect autoSelectFamily', (net) => net.connect({ port: 1, autoSelectFamily: 1 as never })],
    ['connect attempt timeout 0', (net) => net.connect({ port: 1, autoSelectFamilyAttemptTimeout: 0 })],
    ['connect attempt timeout 1.5', (net) => net.connect({ port: 1, autoSelectFamilyAttemptTimeout: 1.5 })],
    ['connect attempt timeout a', (net) => net.connect({ port: 1, autoSelectFamilyAttemptTimeout: 'a' as never })],
    ['connect hints', (net) => net.connect({ port: 1, host: 'a', hints: 1_234_567 })],
    ['connect family', (net) => net.connect({ port: 1, host: 'a', family: 5 })],
    ['listen(70000)', (net) => net.createServer().listen(70_000)],
    ['listen(-1)', (net) => net.createServer().listen(-1)],
    ['listen({})', (net) => net.createServer().listen({})],
    ['listen(true)', (net) => net.createServer().listen(true as never)],
    ['listen(false)', (net) => net.createServer().listen(false as never)],
    ['listen port string', (net) => net.createServer().listen({ port: 'x' as never })],
    ['listen signal', (net) => net.createServer().listen({ port: 0, signal: 1 as never })],
    ['createServer(1)', (net) => net.createServer(1 as never)],
    ['createServer("x")', (net) => net.createServer('x' as never)],
    ['server highWaterMark', (net) => net.createServer({ highWaterMark: 'x' as never })],
    ['server keepAliveInitialDelay', (net) => net.createServer({ keepAliveInitialDelay: 'x' as never })],
    ['objectMode', (net) => new net.Socket({ objectMode: true } as never)],
    ['readableObjectMode', (net) => new net.Socket({ readableObjectMode: true } as never)],
    ['writableObjectMode', (net) => new net.Socket({ writableObjectMode: true } as never)],
    ['keepAliveInitialDelay', (net) => new net.Socket({ keepAliveInitialDelay: 'x' as never })],
    ['signal', (net) => new net.Socket({ signal: 1 as never })],
    ['fd', (net) => new net.Socket({ fd: -1 })],
    ['setTimeout x', (net) => new net.Socket().setTimeout('x' as never)],
    ['setTimeout -1', (net) => new net.Socket().setTimeout(-1)],
    ['setTimeout Infinity', (net) => new net.Socket().setTimeout(Number.POSITIVE_INFINITY)],
    ['setTimeout callback', (net) => new net.Socket().setTimeout(1, 1 as never)],
    ['setTimeout 0 callback', (net) => new net.Socket().setTimeout(0, 1 as never)],
    ['setEncoding', (net) => new net.Socket().setEncoding('x' as never)],
    ['write null', (net) => new net.Socket().write(null as never)],
    ['write number', (net) => new net.Socket().write(1 as never)],
  ]
  const { net: ours } = fakeNet()

  const thrown = (net: Net, call: (net: Net) => unknown): NodeJS.ErrnoException => {
    try {
      call(net)
    } catch (error) {
      return error as NodeJS.ErrnoException
    }
    throw new Error('nothing was thrown')
  }

  it.each(calls)('%s', (_, call) => {
    const expected = thrown(kernel, call)
    const error = thrown(ours, call)
    expect(error.message).toBe(expected.message)
    expect(error.name).toBe(expected.name)
    expect(String(error)).toBe(String(expected))
    expect(Object.entries(error)).toEqual(Object.entries(expected))
    expect(error).toBeInstanceOf(Object.getPrototypeOf(expected.constructor))
  })

  it('what sluice cannot serve says so', () => {
    for (const call of [
      () => ours.createServer().listen(ours.createServer() as never),
      () => ours.createServer().listen({ handle: new ours.Socket() } as never),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' }))
      expect(call).toThrow(/node:net/)
    }
  })
})
