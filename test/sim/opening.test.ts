import { describe, expect, it } from 'vitest'
import { type Endpoint, Stack, type StackOptions } from '../../src/stack/index.ts'
import type { SimHost } from '../../src/testing/sim/sim-host.ts'
import { SimNet } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import { ListenRig } from '../support/listen-rig.ts'
import { CloseReason, Ear, PORT, SECOND } from '../support/sim-pair.ts'

// OPEN, as a host sees it: rfc9293#3.9.1.1.

const TUNNEL = 9898

/** Two hosts with a stack each; the first has two addresses of each family. */
class Pair {
  readonly world = new World()
  readonly net = new SimNet(this.world)
  readonly here = this.net.host('here', ['10.1.0.1', '10.1.0.2', 'fd01::1', 'fd01::2'])
  readonly there = this.net.host('there', ['10.2.0.1', 'fd02::1'])
  readonly a: Stack
  readonly b: Stack
  readonly accepted: Ear[] = []

  constructor(options: StackOptions = {}) {
    this.a = new Stack({ ...options, ...this.here.seams() })
    this.b = new Stack({ ...options, ...this.there.seams() })
  }

  listen(stack: Stack, port: number = PORT, address?: string): ReturnType<Stack['listen']> {
    return stack.listen(
      { address, port, backlog: 10, ipv6Only: false, reusePort: false, exclusive: false },
      {
        accepted: (endpoint) => {
          const ear = new Ear()
          ear.endpoint = endpoint
          this.accepted.push(ear)
          return ear
        },
      },
    )
  }

  connect(from: Stack, request: Partial<Parameters<Stack['connect']>[0]> = {}): Ear {
    const ear = new Ear()
    const endpoint = from.connect({ address: '10.2.0.1', port: PORT, ...request }, ear)
    if (typeof endpoint === 'string') throw new Error(endpoint)
    ear.endpoint = endpoint
    return ear
  }

  pass(seconds = 0.1): void {
    this.world.run(this.world.nowUs + seconds * SECOND)
  }
}

/** Sends bytes both ways, and expects them. */
function expectAlive(pair: Pair, ...ends: Ear[]): void {
  const before = ends.map(({ received }) => received)
  for (const { endpoint } of ends) endpoint.write(Buffer.alloc(100))
  pair.pass(1)
  expect(ends.map(({ received }, i) => received - before[i])).toEqual(ends.map(() => 100))
}

const sources = (pair: Pair, to: SimHost): Set<string> => {
  const seen = new Set<string>()
  pair.net.tap((_, flow) => {
    if (to.owns(flow.address)) seen.add(flow.sourceAddress)
    return true
  })
  return seen
}

describe('passive OPEN', () => {
  it('[rfc9293#3.9.1.1 MUST-41] disturbs no connection that there is, whether it succeeds or not', () => {
    const pair = new Pair()
    const first = pair.listen(pair.b)
    if (typeof first === 'string') throw new Error(first)
    const client = pair.connect(pair.a)
    pair.pass()
    const [server] = pair.accepted
    expect(pair.listen(pair.b)).toBe('EADDRINUSE')
    expectAlive(pair, client, server)
    first.close()
    expect(pair.listen(pair.b)).toMatchObject({ port: PORT })
    expectAlive(pair, client, server)
    // The new listener takes newcomers, and nothing else.
    expect(pair.accepted.length).toBe(1)
    const another = pair.connect(pair.a, { localAddress: '10.1.0.2' })
    pair.pass()
    expect(pair.accepted.length).toBe(2)
    expectAlive(pair, client, server, another, pair.accepted[1])
  })

  it('[rfc9293#3.9.1.1 MUST-42] is possible on a port that has connections in SYN_SENT', () => {
    const pair = new Pair({ tunnel: { port: TUNNEL } })
    pair.listen(pair.a, 1)
    pair.net.partition(pair.here, pair.there)
    const early = pair.connect(pair.a, { localPort: 5000 })
    expect(early.endpoint.info().state_name).toBe('SYN_SENT')
    expect(pair.listen(pair.a, 5000)).toMatchObject({ port: 5000 })
    pair.net.partition(pair.here, pair.there, false)
    pair.listen(pair.b)
    pair.connect(pair.b, { address: '10.1.0.1', port: 5000 })
    pair.pass(5)
    expect(early.isConnected).toBe(true)
    // Both were accepted, each where it belongs.
    expect(pair.accepted.map(({ endpoint }) => endpoint.localPort).sort()).toEqual([5000, PORT])
  })

  it('[rfc9293#3.9.1.1] and on one with half-open ones, which the listener before it had', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    expect(rig.stack.sockets().map(({ state }) => state)).toEqual(['LISTEN', 'SYN_RECV'])
    rig.listener.close()
    rig.listen()
    const other = rig.peer(2).syn()
    rig.pass(0.1)
    other.ack()
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted.map(({ endpoint }) => endpoint.remoteAddress)).toEqual([other.address])
  })
})

describe('active OPEN', () => {
  it('[rfc9293#3.9.1.1 MUST-43] takes the local address that it is given', () => {
    const pair = new Pair()
    pair.listen(pair.b)
    for (const [localAddress, address] of [
      ['10.1.0.2', '10.2.0.1'],
      ['fd01::2', 'fd02::1'],
    ]) {
      const client = pair.connect(pair.a, { address, localAddress })
      pair.pass()
      const server = pair.accepted.at(-1) as Ear
      expect([client.endpoint.localAddress, server.endpoint.remoteAddress]).toEqual([localAddress, localAddress])
      expectAlive(pair, client, server)
    }
    const refused = (localAddress: string): unknown =>
      pair.a.connect({ address: '10.2.0.1', port: PORT, localAddress }, new Ear())
    expect(['10.1.0.3', 'fd01::1', 'nonsense'].map(refused)).toEqual(['EADDRNOTAVAIL', 'EINVAL', 'EINVAL'])
  })

  it('[rfc9293#3.9.1.1 MUST-44] has an address by the time that the SYN leaves, though it was given none', () => {
    const pair = new Pair()
    pair.listen(pair.b)
    const seen = sources(pair, pair.there)
    const client = pair.connect(pair.a)
    expect([client.endpoint.localAddress, seen.size]).toEqual(['10.1.0.1', 0])
    pair.pass()
    expect(client.isConnected).toBe(true)
    expect([...seen]).toEqual(['10.1.0.1'])
  })

  it('[rfc9293#3.9.1.1 MUST-45] keeps that address, whatever the host would choose later', () => {
    const pair = new Pair()
    pair.listen(pair.b)
    const client = pair.connect(pair.a)
    pair.pass()
    pair.here.setAddresses(['10.1.0.9', '10.1.0.2', '10.1.0.1'])
    const seen = sources(pair, pair.there)
    expectAlive(pair, client, pair.accepted[0])
    expect([...seen]).toEqual(['10.1.0.1'])
    expect(client.endpoint.localAddress).toBe('10.1.0.1')
    // A later one gets the new one.
    expect(pair.connect(pair.a, { port: PORT + 1 }).endpoint.localAddress).toBe('10.1.0.9')
  })

  it.each([
    ['multicast', '224.0.0.1'],
    ['multicast of IPv6', 'ff02::1'],
    ['the limited broadcast', '255.255.255.255'],
    ['the broadcast of a network of ours', '10.1.0.255'],
    ['what is reserved', '240.0.0.1'],
  ])('[rfc9293#3.9.1.1 MUST-46] is refused for %s, and nothing is sent', (_, address) => {
    const pair = new Pair()
    let sent = 0
    pair.net.tap(() => {
      sent++
      return true
    })
    expect(pair.a.connect({ address, port: PORT }, new Ear())).toBe('ENETUNREACH')
    pair.pass(10)
    expect(sent).toBe(0)
    expect(pair.a.sockets()).toEqual([])
  })
})

describe('what the application learns of the end', () => {
  it('[rfc9293#3.6 MUST-12] whether its peer closed or aborted', () => {
    const ends = (how: (server: Endpoint) => void): [boolean, CloseReason | null] => {
      const pair = new Pair()
      pair.listen(pair.b)
      const client = pair.connect(pair.a)
      pair.pass()
      how(pair.accepted[0].endpoint)
      pair.pass()
      client.endpoint.end()
      pair.pass()
      return [client.hasEnded, client.reason]
    }
    expect(ends((server) => server.close())).toEqual([true, CloseReason.Normal])
    expect(ends((server) => server.abort())).toEqual([false, CloseReason.Reset])
  })
})
