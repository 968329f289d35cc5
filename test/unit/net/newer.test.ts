import { once } from 'node:events'
import nodeNet, { type AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Net } from '../../../src/net/net.ts'
import type { NetConnectOptions, Socket } from '../../../src/net/types.ts'
import { closed, connecting, failed, fakeNet, listening, log, pair } from '../../support/net-cases.ts'

// What came to `net` after Node 20 is there on every Node.

const lookup = (_host: string, _options: unknown, answer: (...args: unknown[]) => void): void => {
  answer(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ])
}

const code = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('BlockList', () => {
  const { net } = fakeNet()

  it('takes subnets by their notation, and many at a time', () => {
    const list = new net.BlockList()
    list.addCIDRs(['10.0.0.0/8', 'fc00::/7'])
    list.addCIDR('192.168.0.0/16')
    list.addAddresses(['1.2.3.4', '1.2.3.5'])
    expect(list.size).toBe(5)
    expect(list.check('10.1.1.1')).toBe(true)
    expect(list.check('fd00::1', 'ipv6')).toBe(true)
    expect(list.check('1.2.3.5')).toBe(true)
    expect(list.check('1.2.3.6')).toBe(false)
  })

  it('forgets one rule, or all', () => {
    const list = new net.BlockList()
    list.addAddress('1.2.3.4')
    list.addAddress('::1', 'ipv6')
    list.addRange('5.0.0.1', '5.0.0.9')
    list.addCIDR('10.0.0.0/8')
    list.removeAddress('1.2.3.4')
    list.removeAddress('9.9.9.9')
    list.removeRange('5.0.0.1', '5.0.0.9')
    list.removeCIDR('10.0.0.0/8')
    expect(list.rules).toEqual(['Address: IPv6 ::1'])
    expect(['1.2.3.4', '5.0.0.2', '10.0.0.1'].map((address) => list.check(address))).toEqual([false, false, false])
    list.clear()
    expect([list.size, list.check('::1', 'ipv6')]).toEqual([0, false])
  })

  it('goes through JSON', () => {
    const list = new net.BlockList()
    list.addSubnet('8592:757c:efae:4e45::', 64, 'ipv6')
    list.addRange('10.0.0.1', '10.0.0.10')
    list.addAddress('123.123.123.123')
    const copy = new net.BlockList()
    copy.fromJSON(JSON.stringify(list))
    copy.fromJSON(['no rule'])
    expect([...copy.toJSON()].sort()).toEqual([...list.rules].sort())
    expect(copy.check('10.0.0.3')).toBe(true)
  })

  it('throws at what is no rule, and then adds none', () => {
    const list = new net.BlockList()
    for (const cidr of ['10.0.0.0', '10.0.0.0/x', '10.0.0.0/08', '10.0.0.0/33', 5]) {
      expect(code(() => list.addCIDRs(['1.0.0.0/8', cidr as string]))).toMatch(/^ERR_(INVALID_ARG|OUT_OF_RANGE)/)
    }
    expect(code(() => list.addAddresses(['1.2.3.4', 'x']))).toBe('ERR_INVALID_ADDRESS')
    expect(code(() => list.fromJSON([1] as never))).toBe('ERR_INVALID_ARG_TYPE')
    expect(list.rules.filter((rule) => !rule.includes('1.0.0.0/8'))).toEqual([])
  })

  it('is one of Node, and knows its kind', () => {
    expect(new net.BlockList()).toBeInstanceOf(nodeNet.BlockList)
    expect(
      [new nodeNet.BlockList(), new net.BlockList(), {}, null].map((one) => net.BlockList.isBlockList(one)),
    ).toEqual([true, true, false, false])
    expect(net.BlockList.PRIVATE_RANGES).toContain('127.0.0.0/8')
    expect(net.BlockList.name).toBe('BlockList')
  })
})

it('SocketAddress.parse', () => {
  const { net } = fakeNet()
  const parsed = ['1.2.3.4:8080', '[::1]:81'].map((text) => net.SocketAddress.parse(text))
  expect(parsed.map((one) => [one?.address, one?.port, one?.family])).toEqual([
    ['1.2.3.4', 8080, 'ipv4'],
    ['::1', 81, 'ipv6'],
  ])
  expect(net.SocketAddress.parse('a.name')).toBe(undefined)
  expect(net.SocketAddress.parse('1.2.3.4')).toBeInstanceOf(nodeNet.SocketAddress)
})

describe('blockList', () => {
  const { net } = fakeNet()
  const blockList = new net.BlockList()
  blockList.addAddress('127.0.0.1')

  it('keeps a client from an address', async () => {
    const { port } = await listening(net)
    for (const host of ['127.0.0.1', '::ffff:127.0.0.1']) {
      const client = new net.Socket({ blockList })
      const events = log(client)
      client.connect(port, host)
      const error = await failed(client)
      expect([error.code, error.message]).toEqual(['ERR_IP_BLOCKED', `IP(${host}) is blocked by net.BlockList`])
      await closed(client)
      expect(events).toEqual(['connectionAttempt', 'error ERR_IP_BLOCKED', 'close true'])
    }
  })

  it('is one failed attempt among several', async () => {
    const { port } = await listening(net, { listen: { port: 0, host: '::1' } }, (socket) => socket.end())
    const options = { port, host: 'a.name', lookup, autoSelectFamily: true }
    const client = new net.Socket({ blockList })
    const attempts: unknown[] = []
    client.on('connectionAttempt', (address) => attempts.push(address))
    client.on('connectionAttemptFailed', (address, _port, _family, error) =>
      attempts.push([address, (error as NodeJS.ErrnoException).code]),
    )
    client.connect(options as unknown as NetConnectOptions)
    await once(client.resume(), 'close')
    expect(attempts).toEqual([['127.0.0.1', 'ERR_IP_BLOCKED'], '::1'])
    expect(client.autoSelectFamilyAttemptedAddresses).toEqual([`::1:${port}`])
  })

  it('turns clients of a server away', async () => {
    const accepted: Socket[] = []
    const { server, port } = await listening(net, { blockList }, (socket) => accepted.push(socket))
    server.on('drop', () => accepted.push(null as never))
    const client = connecting(net, { port })
    client.resume()
    await closed(client)
    expect(accepted).toEqual([])
  })

  it('has to be one', () => {
    for (const make of [
      () => new net.Socket({ blockList: {} as never }),
      () => net.createServer({ blockList: 1 as never }),
    ]) {
      expect(code(make)).toBe('ERR_INVALID_ARG_TYPE')
    }
  })
})

describe('setTypeOfService', () => {
  const { net } = fakeNet()

  it('is told as it was set, without the ECN bits once connected', async () => {
    const fresh = new net.Socket({ typeOfService: 3 })
    expect(fresh.getTypeOfService()).toBe(3)
    expect(fresh.setTypeOfService(0x11)).toBe(fresh)
    expect([fresh.getTypeOfService(), new net.Socket().getTypeOfService()]).toEqual([0x11, 0])
    const { client } = await pair(net, { client: { typeOfService: 0xff } })
    expect(client.getTypeOfService()).toBe(process.platform === 'linux' ? 0xfc : 0xff)
  })

  it.each([-1, 256, 1.5, 'x', null, Number.NaN])('refuses %s', (value) => {
    expect(code(() => new net.Socket().setTypeOfService(value as number))).toMatch(
      /ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)/,
    )
  })
})

describe('BoundSocket', () => {
  const { net, stack } = fakeNet()
  const bind = (options: object): InstanceType<Net['BoundSocket']> => new net.BoundSocket(options)
  const portOf = (bound: InstanceType<Net['BoundSocket']>): number => (bound.address() as AddressInfo).port

  it('takes a port, which nobody else gets until it is closed', async () => {
    const bound = bind({ host: '127.0.0.1' })
    const port = portOf(bound)
    expect(bound.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port })
    expect([bound.fd(), bound.isPipe]).toEqual([-1, false])
    expect(() => bind({ host: '127.0.0.1', port })).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE', syscall: 'bind', address: '127.0.0.1', port }),
    )
    bound.close()
    for (const call of [() => bound.address(), () => bound.close(), () => bound.fd()]) {
      expect(code(call)).toBe('ERR_SOCKET_HANDLE_ADOPTED')
    }
    bind({ host: '127.0.0.1', port })[Symbol.dispose]()
    expect(stack.holds).toBe(false)
  })

  it('becomes a server', async () => {
    const bound = bind({ host: '127.0.0.1' })
    const address = bound.address()
    const server = net.createServer((socket) => socket.end('served'))
    onTestFinished(() => void server.close())
    server.listen({ handle: bound } as never)
    await once(server, 'listening')
    expect(server.address()).toEqual(address)
    expect(code(() => bound.close())).toBe('ERR_SOCKET_HANDLE_ADOPTED')
    const [data] = await once(connecting(net, { port: (address as AddressInfo).port }), 'data')
    expect(String(data)).toBe('served')
  })

  it('becomes a client, whose end is known at once', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const bound = bind({ host: '127.0.0.1' })
    const from = portOf(bound)
    const client = new net.Socket({ handle: bound } as object)
    expect([client.localPort, client.pending, client.connecting]).toEqual([from, false, false])
    expect(code(() => client.connect({ port, localPort: 1 }))).toBe('ERR_INVALID_ARG_VALUE')
    client.connect(port, '127.0.0.1')
    expect([client.localPort, client.connecting]).toEqual([from, true])
    const [peer] = await accepted
    expect(peer.remotePort).toBe(from)
    client.destroy()
    peer.destroy()
  })

  it('lets go of the port with its socket', async () => {
    const bound = bind({ host: '127.0.0.1' })
    const port = portOf(bound)
    const client = new net.Socket({ handle: bound } as object)
    client.destroy()
    await closed(client)
    bind({ host: '127.0.0.1', port }).close()
  })

  it.each([null, 'x', { host: 'a.name' }, { host: 5 }, { port: -1 }, { ipv6Only: 1 }, { path: '/x', port: 1 }])(
    'refuses %j',
    (options) => {
      expect(code(() => bind(options as object))).toMatch(/^ERR_/)
    },
  )
})
