import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Namespace } from '../support/namespace.ts'
import { Program } from '../support/program.ts'

// Two machines with Ethernet's 1,500 bytes, and what lies between them takes less: a switch that drops in silence, or a router that says so. The kernel
// itself keeps the packets whole, or not.

const OVERHEAD = { IPv4: 20 + 8 + 4 + 32, IPv6: 40 + 8 + 4 + 32 }
const ADDRESSES = { IPv4: ['10.78.1.1', '10.78.1.2'], IPv6: ['fd78:1::1', 'fd78:1::2'] } as const

let near: Namespace
let middle: Namespace
let far: Namespace

/** A cable between two machines, by the names that the interfaces get. */
function cable(a: Namespace, name: string, b: Namespace, other: string): void {
  execFileSync('ip', ['link', 'add', name, 'netns', a.name, 'type', 'veth', 'peer', 'name', other, 'netns', b.name])
  for (const [namespace, device] of [[a, name] as const, [b, other] as const]) {
    namespace.ip('link', 'set', device, 'up')
  }
}

beforeAll(() => {
  near = new Namespace(`sluice-near-${process.pid}`)
  middle = new Namespace(`sluice-middle-${process.pid}`)
  far = new Namespace(`sluice-far-${process.pid}`)
  cable(near, 'eth0', middle, 'left')
  cable(far, 'eth0', middle, 'right')
  for (const [i, machine] of [near, far].entries()) {
    machine.addAddress('eth0', `${ADDRESSES.IPv4[i]}/24`)
    machine.addAddress('eth0', `${ADDRESSES.IPv6[i]}/64`)
  }
  middle.ip('link', 'add', 'switch', 'type', 'bridge')
  for (const port of ['left', 'right']) middle.ip('link', 'set', port, 'master', 'switch')
  middle.ip('link', 'set', 'switch', 'up')
})

afterAll(() => {
  for (const namespace of [near, middle, far]) namespace?.remove()
})

class Ends {
  readonly server: Program
  client!: Program
  readonly #address: string
  #sent = 0
  #asked = 0

  constructor(family: 'IPv4' | 'IPv6') {
    this.#address = ADDRESSES[family][1]
    this.server = new Program('mtu', { args: ['serve', this.#address, '{}'], wrapper: far.wrapper })
  }

  async connect(options: object): Promise<void> {
    const args = ['connect', this.#address, await this.server.said('port'), JSON.stringify(options)]
    this.client = new Program('mtu', { args, wrapper: near.wrapper })
    await this.client.said('connected')
  }

  async send(size: number): Promise<void> {
    this.client.tell(`send ${size}`)
    this.#sent += size
    await this.server.said(`received ${this.#sent}`)
  }

  async look(): Promise<Record<string, number> & { mss: number }> {
    this.client.tell('look')
    return JSON.parse(await this.client.said(`mss${++this.#asked}`))
  }

  /** Until segments are so long. */
  async grownTo(mss: number): Promise<Record<string, number>> {
    for (;;) {
      const seen = await this.look()
      if (seen.mss === mss) return seen
      await sleep(100)
    }
  }
}

describe("mtu: 'probe'", { timeout: 180_000 }, () => {
  it.each(['IPv4', 'IPv6'] as const)(
    '%s: finds the 1,400 bytes of a switch that drops in silence, also in the middle',
    async (family) => {
      middle.ip('link', 'set', 'right', 'mtu', '1500')
      const ends = new Ends(family)
      // A virtual switch lets what is still to be cut pass as it is.
      await ends.connect({ mtu: 'probe', offload: 'off' })
      await ends.grownTo(1500 - OVERHEAD[family])
      await ends.send(1_000_000)
      middle.ip('link', 'set', 'right', 'mtu', '1400')
      await ends.send(1_000_000)
      const seen = await ends.grownTo(1400 - OVERHEAD[family])
      expect(seen.PathMtuLowered).toBe(1)
      const { RetransSegs } = seen
      await ends.send(1_000_000)
      expect((await ends.look()).RetransSegs).toBe(RetransSegs)
    },
  )

  it('a router that says what it drops (ICMP) saves the waiting, and does not cut what is whole', async () => {
    for (const port of ['left', 'right']) middle.ip('link', 'set', port, 'nomaster')
    middle.addAddress('left', '10.78.1.254/24')
    middle.addAddress('right', '10.78.2.254/24')
    far.ip('addr', 'add', '10.78.2.2/24', 'dev', 'eth0')
    far.ip('addr', 'del', '10.78.1.2/24', 'dev', 'eth0')
    near.ip('route', 'add', '10.78.2.0/24', 'via', '10.78.1.254')
    far.ip('route', 'add', '10.78.1.0/24', 'via', '10.78.2.254')
    middle.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    middle.ip('link', 'set', 'right', 'mtu', '1400')
    const server = new Program('mtu', { args: ['serve', '10.78.2.2', '{}'], wrapper: far.wrapper })
    const args = ['connect', '10.78.2.2', await server.said('port'), '{"mtu":"probe"}']
    const client = new Program('mtu', { args, wrapper: near.wrapper })
    await client.said('connected')
    let asked = 0
    for (let mss = 0; mss !== 1400 - OVERHEAD.IPv4; await sleep(50)) {
      client.tell('look')
      mss = JSON.parse(await client.said(`mss${++asked}`)).mss
    }
    client.tell('send 1000000')
    await server.said('received 1000000')
    client.tell('look')
    const seen = JSON.parse(await client.said(`mss${++asked}`))
    expect(seen).toMatchObject({ PathMtuLowered: 0, TCPTimeouts: 0 })
    expect(middle.run('sh', '-c', 'grep ^Ip: /proc/net/snmp')).toMatch(/^Ip: Forwarding/)
    const [names, values] = middle
      .run('grep', '^Ip:', '/proc/net/snmp')
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    expect(Number(values[names.indexOf('FragCreates')])).toBe(0)
  })
})
