import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { listen, newStack, outcomeOf } from '../support/stacks.ts'

describe('server.tcp', () => {
  it('holds connections back and lets them in again', async () => {
    const { net, ...stack } = newStack()
    const names: string[] = []
    const { server, port } = await listen(net, (socket) => {
      socket.on('data', (data) => names.push(String(data)))
    })
    server.tcp.pauseAccept()
    const clients = ['a', 'b', 'c'].map((name) => {
      const client = net.connect(port, '127.0.0.1')
      client.write(name)
      return client
    })
    await Promise.all(clients.map((client) => once(client, 'connect')))
    while (server.tcp.info()?.acceptQueue !== 3) await new Promise(setImmediate)
    expect(names).toEqual([])
    expect(server.tcp.info()).toEqual({ acceptQueue: 3, acceptLimit: 511, synQueue: 0, synLimit: 511, paused: true })
    server.tcp.resumeAccept()
    while (names.length < 3) await new Promise(setImmediate)
    expect(names.sort()).toEqual(['a', 'b', 'c'])
    expect(stack).toBeDefined()
    const outcomes = clients.map(outcomeOf)
    for (const client of clients) client.destroy()
    server.close()
    await once(server, 'close')
    expect(server.tcp.info()).toBe(undefined)
    expect(outcomes.length).toBe(3)
  })

  it('may be told to before it listens', async () => {
    const { net } = newStack()
    const server = net.createServer()
    expect(server.tcp.info()).toBe(undefined)
    server.tcp.pauseAccept()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    expect(server.tcp.info()?.paused).toBe(true)
    server.close()
  })
})

describe('socket.tcp', () => {
  it('linger 0 makes destroy a reset', async () => {
    const { net } = newStack()
    const { port, server } = await listen(net)
    const accepted = once(server, 'connection')
    const client = net.connect(port, '127.0.0.1')
    client.tcp.linger = 0
    await once(client, 'connect')
    const [socket] = await accepted
    const outcome = outcomeOf(socket)
    client.destroy()
    expect(await outcome).toBe('ECONNRESET')
  })

  it('shutdownRead throws away what comes, and the peer notices nothing', async () => {
    const { net } = newStack()
    const { port, server } = await listen(net)
    const accepted = once(server, 'connection')
    const client = net.connect(port, '127.0.0.1')
    await once(client, 'connect')
    const [socket] = await accepted
    let bytes = 0
    client.on('data', (data) => {
      bytes += data.length
    })
    client.tcp.shutdownRead()
    // More than any buffer holds.
    const written = new Promise((resolve) => socket.write(Buffer.alloc(20_000_000), resolve))
    await written
    expect(bytes).toBe(0)
    client.write('still heard')
    const [data] = await once(socket, 'data')
    expect(String(data)).toBe('still heard')
    client.destroy()
    socket.destroy()
  })
})

describe('connect({ tcp: { fastOpen: true } })', () => {
  it('sends what is written at once with the SYN, once there is a cookie, and the peer has it once', async () => {
    const sysctl = { tcp_fastopen: 3 }
    const [client, server] = [newStack({ sysctl }), newStack({ sysctl })]
    const heard: string[] = []
    const { port } = await listen(server.net, (socket) => {
      let text = ''
      socket.setEncoding('utf8')
      socket.on('data', (data: string) => {
        text += data
      })
      socket.on('end', () => {
        heard.push(text)
        socket.end('answer')
      })
    })
    for (let i = 0; i < 3; i++) {
      const socket = client.net.connect({ port, host: '127.0.0.1', tcp: { fastOpen: true } })
      socket.write('question')
      socket.write(' and more')
      socket.end(` ${i}`)
      expect(await outcomeOf(socket)).toBe('end')
      expect(socket.bytesWritten).toBe(19)
    }
    expect(heard).toEqual([0, 1, 2].map((i) => `question and more ${i}`))
    expect(client.counters()).toMatchObject({ TCPFastOpenActive: 2, TCPFastOpenActiveFail: 0 })
    expect(server.counters()).toMatchObject({ TCPFastOpenPassive: 2, TCPFastOpenCookieReqd: 1 })
  })
})
