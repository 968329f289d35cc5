import { once } from 'node:events'
import { expect, it } from 'vitest'
import { Stack } from '../../src/index.ts'
import { nativeSockets } from '../../src/tunnel/index.ts'
import { fillPattern, patternMismatch } from '../support/pattern.ts'
import { bytesOf, listen, newStack } from '../support/stacks.ts'

const here = nativeSockets() !== null

for (const host of ['127.0.0.1', '::1']) {
  it(`carries 8 MB both ways in segments of 1,500 bytes over ${host}, many in one call where the system can`, async () => {
    const [client, server] = [newStack({ mtu: 1500 }), newStack({ mtu: 1500 })]
    const { port } = await listen(server.net, (socket) => socket.pipe(socket), { host, allowHalfOpen: true })
    const socket = client.net.connect(port, host)
    const sent = fillPattern(Buffer.alloc(8_000_000), 7, 0)
    const back = bytesOf(socket)
    socket.end(sent)
    const received = await back
    expect(received.length).toBe(sent.length)
    expect(patternMismatch(received, 7, 0)).toBe(-1)
    for (const { UdpGsoSends, UdpGroReads, UdpGsoFailures } of [client.counters(), server.counters()]) {
      expect([UdpGsoSends! > 0, UdpGroReads! > 0, UdpGsoFailures]).toEqual([here, here, 0])
    }
  })
}

it('says of each connection whether it is offloaded', async () => {
  for (const offload of ['auto', 'off'] as const) {
    const [client, server] = [newStack({ mtu: 1500, offload }), newStack()]
    const { port } = await listen(server.net, (socket) => socket.resume())
    const socket = client.net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    expect(client.sockets().map((record) => record.offload)).toEqual([here && offload === 'auto'])
    socket.destroy()
  }
})

it("throws on `offload: 'require'` where it is not to be had, and on a value that it does not know", async () => {
  if (here) await new Stack({ offload: 'require' }).close()
  else expect(() => new Stack({ offload: 'require' })).toThrow(/koffi/)
  expect(() => new Stack({ offload: 'on' as 'off' })).toThrow(/offload is "on"/)
})
