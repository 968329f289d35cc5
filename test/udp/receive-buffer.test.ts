import dgram from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Path } from '../../src/tunnel/index.ts'
import { listen, newStack } from '../support/stacks.ts'
import { TestHost, until } from '../unit/tunnel/host.ts'

/** SO_RCVBUF that reads back as 212,992, what Linux gives who asks for nothing: it doubles what is asked for. */
const STOCK = 212_992 / 2

const hosts: TestHost[] = []

afterEach(() => {
  for (const { tunnel } of hosts.splice(0)) tunnel.close()
})

function newHost(options: ConstructorParameters<typeof TestHost>[0]): TestHost {
  const host = new TestHost(options)
  hosts.push(host)
  return host
}

describe('the stock receive buffer', () => {
  // linux: what a reader has taken is given back to the buffer late, a quarter of it at a time, as long as more is waiting.
  it.each([1500, 4000, 7708, 9000, 16_384, 32_768])(
    'loses nothing while no more than the window lies in it, mtu %s',
    async (mtu) => {
      const server = newHost({ recvBufferSize: STOCK, mtu })
      const client = newHost({ mtu })
      const path: Path = client.open('127.0.0.1', server.listen('127.0.0.1').port)
      const segment = Buffer.alloc(path.maxSegment)
      const total = 4000
      let sent = 0
      let read = 0
      let open = 1
      const fill = (): void => {
        while (sent < total && sent - read < open) {
          client.write(path, segment)
          sent++
        }
        client.flush()
      }
      // A window's worth is always under way: each one that was read lets another one leave.
      server.onSegment = ({ receiveBudget, maxSegment }, { length }) => {
        server.heard[0].segments.length = 0
        if (length < maxSegment) return
        read++
        open = Math.floor(receiveBudget.windowLimit(maxSegment) / maxSegment)
        fill()
      }
      fill()
      await until(() => read === total)
      server.tunnel.countDrops()
      expect(server.counters.UdpRcvbufErrors).toBe(0)
    },
  )
})

// linux: /proc/net/udp says what was thrown away; elsewhere nobody does.
it.runIf(process.platform === 'linux')(
  'what found no room is counted, apart from what the impairment drops',
  async () => {
    const server = newStack({ recvBufferSize: 4096, impair: { loss: { packets: [3] } }, mtu: 1500 })
    const { server: listener, port } = await listen(server.net, (socket) => socket.resume())
    const socket = newStack().net.connect(port, '127.0.0.1')
    await Promise.all([once(socket, 'connect'), once(listener, 'connection')])
    const flooder = dgram.createSocket('udp4')
    onTestFinished(() => void flooder.close())
    flooder.connect(port, '127.0.0.1')
    await once(flooder, 'connect')
    // One after the other before anybody reads.
    for (let i = 0; i < 200; i++) flooder.send(Buffer.alloc(1000))
    const { UdpRcvbufErrors, InErrs } = server.counters()
    expect(UdpRcvbufErrors).toBeGreaterThan(100)
    expect(UdpRcvbufErrors).toBeLessThanOrEqual(200)
    expect(InErrs).toBe(0)
    const connection = server.sockets().find(({ remotePort }) => remotePort === socket.localPort)
    expect(connection?.udp).toEqual({ rcvbuf: 8192, drops: UdpRcvbufErrors })
    expect(server.impair.report().every(({ counters }) => counters.dropped <= 1)).toBe(true)
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
  },
)

describe('many connections of one loopback path', () => {
  it('that write in the same moment wait for room at the other end, instead of filling its buffer several times over', async () => {
    const server = newStack({ recvBufferSize: STOCK })
    const client = newStack({ recvBufferSize: STOCK })
    const sizes: Promise<number>[] = []
    const { port } = await listen(server.net, (socket) => {
      sizes.push(
        (async () => {
          let size = 0
          for await (const data of socket) size += data.length
          return size
        })(),
      )
    })
    const sockets = Array.from({ length: 100 }, () => client.net.connect(port, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const payload = Buffer.alloc(100_000)
    await Promise.all(sockets.map((socket) => once(socket.resume().end(payload), 'close')))
    expect(await Promise.all(sizes)).toEqual(sockets.map(() => payload.length))
    // More than a thousand where nobody waits. What is not counted, as FINs and handshakes, may meet a full buffer once in a while.
    server.sockets()
    expect(server.counters().UdpRcvbufErrors).toBeLessThan(50)
  })
})
