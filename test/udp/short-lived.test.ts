import { once } from 'node:events'
import { expect, it } from 'vitest'
import { bytesOf, listen, newStack } from '../support/stacks.ts'

// What a connection brings in the moment in which it is accepted is told in another turn, behind the immediates asked for meanwhile: what acknowledges
// it waits for that, and rides on the answer.

it('a connection that ends as soon as it begins takes five datagrams', async () => {
  const [client, server] = [newStack(), newStack()]
  const ended: unknown[] = []
  const { port } = await listen(server.net, (socket) => {
    ended.push(once(socket, 'close'))
    socket.resume()
  })
  const socket = client.net.connect(port, '127.0.0.1')
  socket.on('connect', () => socket.end())
  socket.resume()
  await once(socket, 'close')
  await Promise.all(ended)
  // SYN, FIN with the handshake's ACK, and the last ACK.
  expect(client.counters()).toMatchObject({ OutSegs: 3, UdpOutDatagrams: 3 })
  // SYN-ACK, and FIN with the ACK of the client's.
  expect(server.counters()).toMatchObject({ OutSegs: 2, UdpOutDatagrams: 2 })
})

it('what is asked as soon as there is a connection is acknowledged by the answer', async () => {
  const [client, server] = [newStack(), newStack()]
  const order: string[] = []
  const { port } = await listen(server.net, (socket) => {
    setImmediate(() => order.push('immediate'))
    socket.once('data', (data: Buffer) => {
      order.push(`heard ${data}`)
      socket.write('answer')
      // The peer's own end is far from here.
      expect(server.counters()).toMatchObject({ OutSegs: 1, TCPPureAcks: 0 })
    })
  })
  const socket = client.net.connect({ port, host: '127.0.0.1' })
  socket.on('connect', () => socket.write('question'))
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toBe('answer')
  expect(order).toEqual(['immediate', 'heard question'])
  expect(server.counters().OutSegs).toBe(2)
  const rest = bytesOf(socket)
  socket.end()
  expect((await rest).length).toBe(0)
})
