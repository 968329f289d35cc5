import { DgramAsPromised } from 'dgram-as-promised'
import { describe, expect, it } from 'vitest'
import type { SimHost } from '../../../src/testing/sim/sim-host.ts'
import { SimSocket, type SimSocketOptions } from '../../../src/testing/sim/sim-socket.ts'
import { SimNet, type SimNetOptions } from '../../../src/testing/sim/simnet.ts'
import { truesize } from '../../../src/testing/sim/truesize.ts'
import { World } from '../../../src/testing/sim/world.ts'

const lookup: SimSocketOptions['lookup'] = (name, family, done) => done(null, name, family)
const udp4 = { type: 'udp4', lookup } as const
const udp6 = { type: 'udp6', lookup, ipv6Only: true } as const

interface Got {
  us: number
  text: string
  from: string
}

function setUp(options: SimNetOptions = {}) {
  const world = new World()
  const net = new SimNet(world, { link: { delay: 10 }, ...options })
  const a = net.host('a')
  const b = net.host('b')
  const open = (host: SimHost, port: number, address: string, socketOptions: SimSocketOptions = udp4) => {
    const socket = new SimSocket(host, address.includes(':') ? { ...socketOptions, type: 'udp6' } : socketOptions)
    const got: Got[] = []
    const errors: string[] = []
    socket.on('message', (message: Buffer, info) => {
      got.push({ us: world.nowUs, text: message.toString(), from: `${info.address}|${info.port}` })
    })
    socket.on('error', (error: Error) => errors.push(error.message))
    socket.bind(port, address)
    return { socket, got, errors }
  }
  return { world, net, a, b, open }
}

describe('a simulated network', () => {
  it('carries datagrams both ways, with their addresses and their delay', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 4000, '10.0.0.1')
    server.socket.on('message', (_: Buffer, info) => server.socket.send('pong', info.port, info.address))
    client.socket.send('ping', 7, '10.0.0.2')
    world.run()
    expect(server.got).toEqual([{ us: 10_000, text: 'ping', from: '10.0.0.1|4000' }])
    expect(client.got).toEqual([{ us: 20_000, text: 'pong', from: '10.0.0.2|7' }])
  })

  it('gives the receiver bytes of its own', () => {
    for (const delay of [0, 10]) {
      const { world, a, b, open } = setUp({ link: { delay } })
      const server = open(b, 7, '10.0.0.2')
      const client = open(a, 4000, '10.0.0.1')
      const bytes = Buffer.from('..good..')
      client.socket.send(bytes, 2, 4, 7, '10.0.0.2')
      bytes.fill('x')
      world.run()
      expect(server.got.map(({ text }) => text)).toEqual(['good'])
    }
  })

  it('joins a list of buffers', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '10.0.0.1')
    client.socket.connect(7, '10.0.0.2')
    client.socket.send([Buffer.from('one '), 'two'])
    world.run()
    expect(server.got[0].text).toBe('one two')
  })

  it('repeats itself from the same seed', () => {
    const run = (seed: number) => {
      const world = new World({ seed })
      const net = new SimNet(world, { link: { loss: 0.3, delay: 10, jitter: 5, duplicate: 0.1 } })
      const [from, to] = [new SimSocket(net.host('a'), udp4), new SimSocket(net.host('b'), udp4)]
      const got: string[] = []
      to.on('message', (message: Buffer, info) => got.push(`${world.nowUs} ${message} ${info.port}`))
      to.bind(7, '10.0.0.2')
      for (let i = 0; i < 100; i++) from.send(String(i), 7, '10.0.0.2')
      world.run()
      return got
    }
    expect(run(3)).toEqual(run(3))
    expect(run(3)).not.toEqual(run(4))
  })

  it('has a loopback, any address of 127/8, and own addresses as destinations', () => {
    const { world, a, open } = setUp()
    const server = open(a, 7, '0.0.0.0')
    const other = open(a, 7, '127.0.0.9', { ...udp4, reuseAddr: true })
    expect(other.errors).toEqual(['bind EADDRINUSE 127.0.0.9:7'])
    const client = open(a, 9, '0.0.0.0')
    for (const address of ['127.0.0.1', '127.9.9.9', '10.0.0.1']) client.socket.send('x', 7, address)
    world.run()
    expect(server.got.map(({ from, us }) => `${from} ${us}`)).toEqual([
      '127.0.0.1|9 10',
      '127.0.0.1|9 10',
      '10.0.0.1|9 10',
    ])
  })

  it('carries IPv6, and IPv4 to a wildcard socket of both', () => {
    const { world, a, b, open } = setUp()
    const six = open(b, 7, 'fd00::2', udp6)
    const dual = open(b, 8, '::')
    open(a, 4000, 'fd00::1', udp6).socket.send('six', 7, 'fd00::2')
    open(a, 4001, '10.0.0.1').socket.send('four', 8, '10.0.0.2')
    world.run()
    expect(six.got[0].from).toBe('fd00::1|4000')
    expect(dual.got[0].from).toBe('::ffff:10.0.0.1|4001')
    dual.socket.send('back', 4001, '::ffff:10.0.0.1')
  })

  it('prefers the connected socket, then the specific one, then the wildcard', () => {
    const { world, a, b, open } = setUp()
    const share = { ...udp4, reuseAddr: true }
    const wildcard = open(b, 7, '0.0.0.0', share)
    const specific = open(b, 7, '10.0.0.2', share)
    const connected = open(b, 7, '10.0.0.2', share)
    connected.socket.connect(4000, '10.0.0.1')
    const [x, y] = [open(a, 4000, '10.0.0.1'), open(a, 4001, '10.0.0.1')]
    x.socket.send('to the connected', 7, '10.0.0.2')
    y.socket.send('to the specific', 7, '10.0.0.2')
    open(b, 4002, '127.0.0.1').socket.send('to the wildcard', 7, '127.0.0.1')
    world.run()
    expect([wildcard, specific, connected].map(({ got }) => got.map(({ text }) => text))).toEqual([
      ['to the wildcard'],
      ['to the specific'],
      ['to the connected'],
    ])
    connected.socket.close()
    x.socket.send('to the specific', 7, '10.0.0.2')
    world.run()
    expect(specific.got.length).toBe(2)
  })

  it('refuses a port that nobody has: a connected socket hears of it one round trip later', () => {
    const { world, a, open } = setUp()
    const client = open(a, 0, '10.0.0.1')
    client.socket.connect(7, '10.0.0.2')
    const calls: string[] = []
    client.socket.send('one', (error: Error | null) => calls.push(String(error)))
    world.run(19_999)
    expect([calls, client.errors]).toEqual([['null'], []])
    world.run(20_000)
    expect(client.errors).toEqual(['recvmsg ECONNREFUSED'])
  })

  it('gives a pending refusal to a send that comes before the read, unsent', () => {
    const { world, net, a, open } = setUp({ link: {} })
    const client = open(a, 0, '10.0.0.1')
    client.socket.connect(7, '10.0.0.2')
    let sent = 0
    net.tap((_, flow) => {
      if (flow.port === 7) sent++
      return true
    })
    const calls: string[] = []
    for (let i = 0; i < 3; i++) client.socket.send('x', (error: Error | null) => calls.push(error?.message ?? 'sent'))
    world.run()
    expect(calls).toEqual(['sent', 'send ECONNREFUSED', 'sent'])
    expect(sent).toBe(2)
    expect(client.errors).toEqual(['recvmsg ECONNREFUSED'])
  })

  it('tells nothing of a refusal to sockets that are not connected, or when hosts keep silent', () => {
    const { world, a, b, open } = setUp()
    const loose = open(a, 0, '10.0.0.1')
    loose.socket.send('x', 7, '10.0.0.2')
    world.run()
    b.refuses = false
    const tied = open(a, 0, '10.0.0.1')
    tied.socket.connect(7, '10.0.0.2')
    tied.socket.send('x')
    world.run()
    expect([loose.errors, tied.errors]).toEqual([[], []])
  })

  it('drops what overflows the receive buffer, as Linux charges it', () => {
    expect([1, 150, 400, 1400, 3000, 6000, 16_000].map((size) => Math.floor(212_992 / truesize(size)))).toEqual([
      256, 256, 166, 92, 48, 25, 12,
    ])
    expect([20_000, 32_000, 65_507].map((size) => Math.floor(212_992 / truesize(size)))).toEqual([10, 6, 3])
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '10.0.0.1')
    for (let i = 0; i < 150; i++) client.socket.send(Buffer.alloc(1400), 7, '10.0.0.2')
    world.run()
    expect(server.got.length).toBe(92)
    expect([server.socket.overflowed, b.overflowed]).toEqual([58, 58])
    for (let i = 0; i < 50; i++) client.socket.send(Buffer.alloc(1400), 7, '10.0.0.2')
    world.run()
    expect(server.got.length).toBe(142)
  })

  it('grants twice the buffer that is asked for, up to the limit', () => {
    const { net, open } = setUp()
    const roomy = net.host('roomy', ['10.9.9.9'], { rmemMax: 4 << 20 })
    const { socket } = open(roomy, 0, '10.9.9.9')
    const sizes = [socket.getRecvBufferSize()]
    for (const size of [8 << 20, 100_000, 1]) {
      socket.setRecvBufferSize(size)
      sizes.push(socket.getRecvBufferSize())
    }
    expect(sizes).toEqual([212_992, 8 << 20, 200_000, 2304])
  })

  it('reads 32 datagrams, then gives the loop its turn', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const turns: number[] = []
    b.clock.start(
      () => {},
      () => turns.push(server.got.length),
    )
    server.socket.on('message', () => b.clock.soon())
    const client = open(a, 0, '10.0.0.1')
    for (let i = 0; i < 70; i++) client.socket.send('x', 7, '10.0.0.2')
    world.run()
    expect(turns).toEqual([32, 64, 70])
  })

  it('reads what came during a stall when that is over', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '10.0.0.1')
    world.at(9000, () => b.stall(30_000))
    for (let i = 0; i < 3; i++) client.socket.send('x', 7, '10.0.0.2')
    world.run()
    expect(server.got.map(({ us }) => us)).toEqual([39_000, 39_000, 39_000])
  })

  it('says why a datagram or a connection cannot leave', () => {
    const { world, net, a, open } = setUp()
    const four = net.host('four', ['10.7.0.1'])
    const cases: [SimHost, string, string][] = [
      [four, '::', 'fd00::2'],
      [a, '127.0.0.1', '10.0.0.2'],
      [a, '0.0.0.0', '255.255.255.255'],
      [a, '10.0.0.1', '10.0.0.3'],
    ]
    a.unreachable.set('10.0.0.3', 'EHOSTUNREACH')
    const messages: string[] = []
    for (const [host, local, remote] of cases) {
      const { socket } = open(host, 0, local)
      socket.send('x', 7, remote, (error: Error | null) => messages.push(String(error?.message)))
      world.run()
      socket.connect(7, remote, ((error?: Error) => messages.push(String(error?.message))) as () => void)
      world.run()
      expect(() => socket.remoteAddress()).toThrow('Not connected')
    }
    expect(messages).toEqual([
      'send ENETUNREACH fd00::2:7',
      'connect ENETUNREACH fd00::2:7',
      'send EINVAL 10.0.0.2:7',
      'connect EINVAL 10.0.0.2:7',
      'send EACCES 255.255.255.255:7',
      'connect EACCES 255.255.255.255:7',
      'send EHOSTUNREACH 10.0.0.3:7',
      'connect EHOSTUNREACH 10.0.0.3:7',
    ])
  })

  it('fails sends, and sockets, as told', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '10.0.0.1')
    client.socket.connect(7, '10.0.0.2')
    a.sendFault = () => 'ENOBUFS'
    const codes: unknown[] = []
    const note = (error: NodeJS.ErrnoException | null) => codes.push(error?.code)
    client.socket.send('x', note)
    world.run()
    a.sendFault = null
    client.socket.send('y', note)
    client.socket.send(Buffer.alloc(65_508), note)
    world.run()
    expect(codes).toEqual(['ENOBUFS', undefined, 'EMSGSIZE'])
    expect(server.got.map(({ text }) => text)).toEqual(['y'])
    a.maxSockets = 1
    expect(open(a, 0, '10.0.0.1').errors).toEqual(['bind EMFILE 10.0.0.1'])
  })

  it('loses what a tap, a dead link or a partition takes', () => {
    const { world, net, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '10.0.0.1')
    const send = (text: string) => {
      client.socket.send(text, 7, '10.0.0.2')
      world.run()
    }
    net.tap((datagram) => datagram.toString() !== 'two')
    for (const text of ['one', 'two', 'three']) send(text)
    net.tap(null)
    net.partition(a, b)
    send('four')
    net.partition(a, b, false)
    net.connect(a, b, { loss: 1 })
    send('five')
    net.connect(a, b, { delay: 1 })
    send('six')
    expect(server.got.map(({ text }) => text)).toEqual(['one', 'three', 'six'])
    expect(net.link(a, b).cut).toBe(2)
  })

  it('forgets a process that is killed: its ports refuse, and nothing of it runs', () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    let closed = 0
    server.socket.on('close', () => closed++)
    b.clock.start(
      () => closed++,
      () => closed++,
    )
    b.clock.wakeAt(50_000)
    const client = open(a, 0, '10.0.0.1')
    client.socket.connect(7, '10.0.0.2')
    client.socket.send('x')
    world.run(5000)
    b.kill()
    world.run()
    expect([closed, server.got, b.sockets]).toEqual([0, [], []])
    expect(client.errors).toEqual(['recvmsg ECONNREFUSED'])
    expect(open(b, 7, '10.0.0.2').errors).toEqual([])
  })

  it('knows whether a process would stay alive', () => {
    const { a, open } = setUp()
    expect(a.alive).toBe(false)
    const { socket } = open(a, 0, '10.0.0.1')
    expect(a.alive).toBe(true)
    socket.unref()
    expect(a.alive).toBe(false)
    a.clock.hold(true)
    expect(a.alive).toBe(true)
    a.clock.hold(false)
    socket.ref()
    socket.close()
    expect(a.alive).toBe(false)
  })

  it('describes its interfaces as the system does, and moves to other addresses', () => {
    const { world, a, b, open } = setUp()
    expect(a.interfaces().eth0).toMatchObject([
      { address: '10.0.0.1', netmask: '255.255.255.0', family: 'IPv4', internal: false, cidr: '10.0.0.1/24' },
      { address: 'fd00::1', family: 'IPv6', cidr: 'fd00::1/64', scopeid: 0 },
    ])
    expect(a.interfaces().lo?.map(({ address, internal }) => [address, internal])).toEqual([
      ['127.0.0.1', true],
      ['::1', true],
    ])
    const old = open(b, 7, '10.0.0.2')
    const client = open(a, 0, '0.0.0.0')
    b.setAddresses(['10.0.0.99'])
    expect(open(b, 8, '10.0.0.2').errors).toEqual(['bind EADDRNOTAVAIL 10.0.0.2:8'])
    const fresh = open(b, 7, '10.0.0.99')
    for (const address of ['10.0.0.2', '10.0.0.99']) client.socket.send('x', 7, address)
    world.run()
    expect([old.got.length, fresh.got.length]).toEqual([0, 1])
  })

  it('has parts for stacks: a clock and random numbers for each, which repeat', () => {
    const first = setUp().a
    const again = setUp().a
    const [one, two] = [first.seams(), first.seams()]
    expect(one.clock).not.toBe(two.clock)
    const numbers = [one, two, again.seams(), again.seams()].map(({ random }) => random.public())
    expect(numbers.slice(2)).toEqual(numbers.slice(0, 2))
    expect(numbers[0]).not.toBe(numbers[1])
  })

  it('is taken by dgram-as-promised, bound when bind returns', async () => {
    const { world, a, b, open } = setUp()
    const server = open(b, 7, '10.0.0.2')
    const socket = DgramAsPromised.createSocket({ type: 'udp4', lookup: lookup as never, dgram: a.dgram })
    const bound = socket.bind({ port: 4000, address: '10.0.0.1', exclusive: true })
    expect(socket.socket.address()).toEqual({ address: '10.0.0.1', family: 'IPv4', port: 4000 })
    expect(await bound).toEqual(socket.socket.address())
    const sent = socket.send('hello', 7, '10.0.0.2')
    world.run()
    expect(await sent).toBe(5)
    expect(server.got.map(({ text }) => text)).toEqual(['hello'])
    const closed = socket.close()
    world.run()
    await closed
    expect(a.sockets).toEqual([])
  })
})
