import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createNetwork, withNetwork } from '../../src/testing/index.ts'

// Segments that the network makes or keeps.

it('an injected SYN is answered to the address that it claims', () =>
  withNetwork({ seed: 1 }, async ({ host, network }) => {
    const [client, server] = [host('client'), host('server')]
    server.net.createServer().listen(80)
    await network.advance(1)
    const answers: string[] = []
    network.watch(({ segment, line }) => {
      if (segment.from === 'server') answers.push(line)
    })
    network.inject(client, server, { address: '192.0.2.7', srcPort: 1234, dstPort: 80, syn: true, seq: 41, mss: 1000 })
    await network.advance(10)
    expect(answers.length).toBe(1)
    expect(answers[0]).toContain('> 192.0.2.7.1234: Flags [S.]')
    expect(answers[0]).toContain('ack 42')
    expect(server.sockets().find(({ state }) => state === 'SYN_RECV')).toMatchObject({
      remoteAddress: '192.0.2.7',
      remotePort: 1234,
      timer: { name: 'on', count: 0 },
    })
  }))

it('held segments go on when they are released, in their order', () =>
  withNetwork({ seed: 1, delay: 10 }, async ({ host, network }) => {
    const received: string[] = []
    host('server')
      .net.createServer((socket) => socket.on('data', (data) => received.push(String(data))))
      .listen(80)
    const socket = host('client').net.connect({ port: 80, host: 'server', noDelay: true })
    await once(socket, 'connect')
    await network.advance(100)
    const held = network.hold(({ from, length }) => from === 'client' && length > 0, { times: 2 })
    socket.write('one ')
    await network.advance(1)
    socket.write('two')
    await network.advance(5)
    expect(held.count).toBe(2)
    expect(received).toEqual([])
    held.release()
    await network.advance(15)
    expect(received.join('')).toBe('one two')
    expect(held.count).toBe(0)
    expect(host('client').counters().RetransSegs).toBe(0)
  }))

it('neither is there in real time', async () => {
  const network = createNetwork({ time: 'real', seed: 1 })
  try {
    expect(() => network.hold(() => true)).toThrow('in virtual time only')
    expect(() => network.inject(network.host('a'), 'a', { srcPort: 1, dstPort: 2 })).toThrow('in virtual time only')
  } finally {
    await network.close()
  }
})
