import { afterEach, describe, expect, it } from 'vitest'
import type { Path } from '../../src/tunnel/index.ts'
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
