import { Rng } from '../../src/impair/index.ts'
import { CloseReason, type Endpoint, type EndpointOwner, Stack, type StackOptions } from '../../src/stack/index.ts'
import type { SimHost } from '../../src/testing/sim/sim-host.ts'
import type { Flow } from '../../src/testing/sim/sim-link.ts'
import { SimNet } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import { Flag, FrameKind, FrameResult, FrameView, nextFrame } from '../../src/wire/index.ts'
import { type Aim, Forger } from './forger.ts'
import { fillPattern, patternMismatch } from './pattern.ts'

/** IPv4 and UDP. */
const HEADERS = 28
const PORT = 7000
/** Connections that may be hit in the window, and may die of it. */
const VICTIMS = 10
/** Datagrams that lie in a socket when it is read. */
const READ = 32
/** Strangers who come back. */
const REGULARS = 16

interface Victim {
  client: End
  server: End | null
  /** Its SYN goes to nobody: it stays in SYN_SENT. */
  lonely: boolean
}

/** An end that reads, or does not, and counts what came. */
class End implements EndpointOwner {
  endpoint: Endpoint | null = null
  reading = true
  received = 0
  gone = false
  reason: CloseReason = CloseReason.None
  peerEnded = false
  wrong = -1
  readonly #key: number

  /** `key`: of the pattern that comes; 0 reads without looking. */
  constructor(key = 0) {
    this.#key = key
  }

  connected(): void {}
  writable(): void {}
  readable(): void {
    if (!this.reading) return
    for (let data = this.endpoint?.read(); data; data = this.endpoint?.read()) {
      if (this.#key !== 0 && this.wrong < 0) this.wrong = patternMismatch(data, this.#key, this.received)
      this.received += data.length
    }
  }
  peerFinished(): void {
    this.peerEnded = true
  }
  closed(reason: CloseReason): void {
    this.gone = true
    this.reason = reason
  }
}

export interface SiegeOptions {
  seed: number
  stack: StackOptions
}

/**
 * Two stacks under fire: strangers shoot at the port of one, and liars who know path and ports at the connections between the two.
 * One connection transfers data all the while; no liar knows its sequence numbers.
 */
export class Siege {
  readonly world: World
  readonly server: Stack
  readonly client: Stack
  /** Bytes, headers counted, that were thrown, and that the two sent while it went on. */
  thrown = 0
  answered = 0
  datagrams = 0
  onPath = 0
  inWindow = 0
  victimsLost = 0

  readonly #rng: Rng
  readonly #net: SimNet
  readonly #hosts: { client: SimHost; server: SimHost; outside: SimHost }
  readonly #forger: Forger
  readonly #framed: boolean
  readonly #tunnel: boolean
  readonly #victims: Victim[] = []
  readonly #transfer: { client: End; server: End | null; sent: [number, number] }
  readonly #accepted: End[] = []
  #underFire = false
  /** Bytes that came from each stranger in this read, and what went back. */
  readonly #strangers = new Map<string, { in: number; out: number }>()
  readonly #greeted = new Set<string>()
  readonly #view = new FrameView()

  constructor({ seed, stack }: SiegeOptions) {
    this.world = new World({ seed })
    this.#rng = new Rng(seed).fork('siege')
    this.#framed = stack.encapsulation !== 'bare'
    this.#tunnel = stack.tunnel !== undefined
    this.#forger = new Forger(this.#rng.fork('forger'), this.#framed)
    this.#net = new SimNet(this.world)
    const [client, server] = [this.#net.host('client'), this.#net.host('server')]
    this.#hosts = { client, server, outside: this.#net.host('outside', []) }
    this.client = new Stack({ ...stack, ...client.seams() })
    this.server = new Stack({ ...stack, ...server.seams() })
    const listener = this.server.listen(
      {
        address: server.addresses[0],
        port: PORT,
        backlog: 32,
        ipv6Only: false,
        reusePort: false,
        exclusive: false,
      },
      {
        accepted: (endpoint) => {
          const end = new End(this.#accepted.length === 0 ? 1 : 0)
          end.endpoint = endpoint
          this.#accepted.push(end)
          return end
        },
      },
    )
    if (typeof listener === 'string') throw new Error(listener)
    this.#net.tap((datagram, flow) => this.#tap(datagram, flow))
    this.#transfer = { client: this.#connect(2), server: null, sent: [0, 0] }
    this.world.run(this.world.nowUs + 10_000)
    this.#transfer.server = this.#accepted[0]
    this.interlude()
  }

  /** Throws `count` datagrams. */
  round(count: number): void {
    this.#underFire = true
    for (let left = count; left > 0; left -= READ) {
      if (this.#rng.next() < 0.5) this.#fireOfStrangers(Math.min(READ, left))
      else this.#fireOfLiars(Math.min(READ, left))
      this.world.run(this.world.nowUs + READ * 10)
      this.#checkStrangers()
      this.#checkInvariants()
    }
    this.#underFire = false
  }

  /** Between rounds: the transfer goes on, victims do this and that, those that died are replaced. */
  interlude(): void {
    this.#moveData(10_000)
    for (const victim of this.#victims) this.#act(victim)
    for (let i = 0; i < this.#victims.length; i++) {
      const { client, server } = this.#victims[i]
      if (!client.gone || !(server?.gone ?? true)) continue
      this.victimsLost++
      this.#victims.splice(i--, 1)
    }
    while (this.#victims.length < VICTIMS) this.#addVictim()
    if (this.#rng.next() < 0.05) this.#crumble()
    this.world.run(this.world.nowUs + 1_500_000)
    this.#checkInvariants()
  }

  /** A liar leaves as many holes in a stream as the window has room for. */
  #crumble(): void {
    const end = this.#victim().server
    if (end === null || end.gone || end.endpoint === null) return
    const { path, connection, remotePort, localPort } = end.endpoint
    const aim: Aim = { srcPort: remotePort, dstPort: localPort, connection }
    for (let i = 1; i < connection.receiver.rcvWnd / 2 - 1 && i < 5000; i++) {
      const datagram = this.#forger.morsel(aim, connection, 2 * i)
      this.#throw(datagram, path.remoteAddress, path.remotePort, this.#hosts.server, path.localPort)
      if (i % READ === 0) this.world.run(this.world.nowUs + READ)
    }
    this.world.run(this.world.nowUs + READ)
  }

  /** All but the transfer comes to its end. */
  quiet(): void {
    for (const { client } of this.#victims.splice(0)) client.endpoint?.abort()
    this.#greeted.clear()
    this.#strangers.clear()
    for (const seconds of [100, 200]) {
      // Among them such as lost their client before they were accepted, and such as are accepted only now.
      for (const { endpoint } of this.#accepted.splice(1)) endpoint?.abort()
      this.world.run(this.world.nowUs + seconds * 1_000_000)
    }
    this.#moveData(10_000)
    this.world.run(this.world.nowUs + 1_000_000)
  }

  /** Ends the transfer; what is wrong with it, or null. */
  finish(): string | null {
    const { client, server, sent } = this.#transfer
    client.endpoint?.end()
    server?.endpoint?.end()
    this.world.run(this.world.nowUs + 300_000_000)
    for (const end of [client, server as End]) {
      if (end.wrong >= 0) return `byte ${end.wrong} is wrong`
      if (end.reason !== CloseReason.Normal || !end.peerEnded) return `closed for reason ${end.reason}`
    }
    if (server?.received !== sent[0] || client.received !== sent[1]) {
      return `${server?.received} of ${sent[0]} and ${client.received} of ${sent[1]} bytes came`
    }
    return null
  }

  get left(): number {
    return this.client.sockets().length + this.server.sockets().length
  }

  // ---- fire

  #fireOfStrangers(count: number): void {
    const rng = this.#rng
    for (let i = 0; i < count; i++) {
      const regular = rng.next() < 0.2 ? rng.nextInt(REGULARS) : -1
      const address = regular >= 0 ? `10.98.0.${regular}` : `10.99.${rng.nextInt(256)}.${rng.nextInt(256)}`
      const port = regular >= 0 ? 5000 : 1 + rng.nextInt(65_535)
      const dstPort = rng.next() < 0.9 ? PORT : rng.nextInt(65_536)
      const aim: Aim = { srcPort: regular >= 0 ? 5000 : rng.nextInt(65_536), dstPort, connection: null }
      const datagram = rng.next() < 0.1 ? this.#forger.noise() : this.#forger.datagram(aim)
      const key = `${address}:${port}`
      const account = this.#strangers.get(key) ?? { in: 0, out: 0 }
      account.in += HEADERS + datagram.length
      this.#strangers.set(key, account)
      this.#throw(datagram, address, port, this.#hosts.server, this.#tunnel ? TUNNEL_PORT : PORT)
    }
  }

  #fireOfLiars(count: number): void {
    const rng = this.#rng
    for (let i = 0; i < count; i++) {
      const knows = rng.next() < 0.6
      const pair = knows || rng.next() < 0.7 ? this.#victim() : this.#transfer
      const atServer = pair.server !== null && (pair.client.gone || (!pair.server.gone && rng.next() < 0.6))
      const { endpoint, gone } = (atServer ? pair.server : pair.client) as End
      if (endpoint === null) continue
      const { path, connection } = endpoint
      const aim: Aim = {
        srcPort: endpoint.remotePort,
        dstPort: endpoint.localPort,
        // What is left of the dead is worth a shot too.
        connection: knows && (!gone || rng.next() < 0.2) ? connection : null,
        blind: pair === this.#transfer,
      }
      this.onPath++
      if (aim.connection !== null) this.inWindow++
      const datagram = rng.next() < 0.05 ? this.#forger.noise() : this.#forger.datagram(aim)
      const target = atServer ? this.#hosts.server : this.#hosts.client
      this.#throw(datagram, path.remoteAddress, path.remotePort, target, path.localPort)
    }
  }

  /** One that lives, if there is any. */
  #victim(): Victim {
    const first = this.#rng.nextInt(this.#victims.length)
    for (let i = 0; i < this.#victims.length; i++) {
      const victim = this.#victims[(first + i) % this.#victims.length]
      if (!victim.client.gone || victim.server?.gone === false) return victim
      if (this.#rng.next() < 0.02) return victim
    }
    return this.#victims[first]
  }

  #throw(datagram: Buffer, sourceAddress: string, sourcePort: number, target: SimHost, port: number): void {
    if (this.#underFire) {
      this.datagrams++
      this.thrown += HEADERS + datagram.length
    }
    target.arrive(datagram, {
      family: 'IPv4',
      sourceAddress,
      sourcePort,
      address: target.addresses[0],
      port,
      link: this.#net.link(this.#hosts.outside, target),
      refused: null,
      sink: null,
      sinkVersion: -1,
    })
  }

  // ---- what goes back

  #tap(datagram: Buffer, flow: Flow): boolean {
    if (this.#underFire) {
      const key = `${flow.address}:${flow.port}`
      const account = this.#strangers.get(key)
      if (!this.#isSynAckAgain(datagram, key)) {
        this.answered += HEADERS + datagram.length
        if (account !== undefined) account.out += HEADERS + datagram.length
        else if (flow.address.startsWith('10.9')) throw new Error(`${key} gets something that it did not ask for`)
      }
    } else if (this.#framed) {
      const view = this.#view
      for (let at = 0; nextFrame(datagram, at, datagram.length, view) === FrameResult.Frame; at = view.next) {
        if (view.kind === FrameKind.Segment)
          this.#forger.learn(datagram.subarray(view.start, Math.min(view.end, view.start + 200)))
      }
    } else this.#forger.learn(datagram.subarray(0, 200))
    return true
  }

  /** The one answer that may come twice. */
  #isSynAckAgain(datagram: Buffer, key: string): boolean {
    const flags = datagram[(this.#framed ? 4 : 0) + 13]
    if ((flags & (Flag.SYN | Flag.ACK)) !== (Flag.SYN | Flag.ACK)) return false
    if (this.#greeted.has(key)) return true
    this.#greeted.add(key)
    return false
  }

  #checkStrangers(): void {
    for (const [key, { in: bytesIn, out }] of this.#strangers) {
      if (out > bytesIn * 1.2) throw new Error(`${key} threw ${bytesIn} bytes and got ${out}`)
    }
    this.#strangers.clear()
  }

  #checkInvariants(): void {
    for (const end of this.#ends()) {
      const wrong = end.gone ? null : end.endpoint?.connection.check()
      if (typeof wrong === 'string') throw new Error(`at ${this.world.nowUs} µs: ${wrong}`)
    }
  }

  *#ends(): Generator<End> {
    for (const { client, server } of [...this.#victims, this.#transfer]) {
      yield client
      if (server !== null) yield server
    }
  }

  // ---- what the two do

  #connect(key = 0, address = this.#hosts.server.addresses[0]): End {
    const end = new End(key)
    const endpoint = this.client.connect({ address, port: PORT }, end)
    if (typeof endpoint === 'string') throw new Error(endpoint)
    end.endpoint = endpoint
    return end
  }

  #addVictim(): void {
    if (this.#rng.next() < 0.1) {
      this.#victims.push({ client: this.#connect(0, '10.0.0.200'), server: null, lonely: true })
      return
    }
    const known = this.#accepted.length
    const client = this.#connect()
    this.world.run(() => this.#accepted.length > known || client.gone, this.world.nowUs + 100_000_000)
    const server = this.#accepted[known] ?? null
    this.#victims.push({ client, server, lonely: false })
    if (server === null) return
    const dice = this.#rng.next()
    if (dice < 0.15) {
      // This one stands before a shut window.
      server.reading = false
      client.endpoint?.write(Buffer.alloc(200_000, 'v'))
    } else if (dice < 0.2) {
      // And this one talks to somebody who has left.
      this.#close(client)
      this.world.run(this.world.nowUs + 1000)
      server.endpoint?.write(Buffer.alloc(1000, 'v'))
    }
  }

  #act({ client, server, lonely }: Victim): void {
    const rng = this.#rng
    if (lonely) {
      if (rng.next() < 0.1) client.endpoint?.close()
      return
    }
    for (const end of [client, server]) {
      if (end === null || end.gone || end.endpoint === null) continue
      const dice = rng.next()
      if (dice < 0.4) end.endpoint.write(Buffer.alloc(1 + rng.nextInt(dice < 0.1 ? 100_000 : 5000), 'v'))
      else if (dice < 0.45 || (end.peerEnded && dice < 0.8)) end.endpoint.end()
      else if (dice < 0.9) end.reading = end.reading && dice > 0.53
      else if (dice < 0.98) this.#close(end)
    }
  }

  #close(end: End): void {
    end.endpoint?.close()
    // It says no more of itself.
    end.gone = true
  }

  /** More of the transfer, each way, until it is there. */
  #moveData(size: number): void {
    const { client, server, sent } = this.#transfer
    if (client.gone || server?.gone !== false) throw new Error(`the transfer died: ${client.reason}, ${server?.reason}`)
    client.endpoint?.write(fillPattern(Buffer.alloc(size), 1, sent[0]))
    server.endpoint?.write(fillPattern(Buffer.alloc(size), 2, sent[1]))
    sent[0] += size
    sent[1] += size
    const done = (): boolean => server.received === sent[0] && client.received === sent[1]
    if (!this.world.run(done, this.world.nowUs + 100_000_000)) {
      throw new Error(`the transfer hangs: ${server.received} and ${client.received} of ${sent}`)
    }
  }
}

export const TUNNEL_PORT = 9898
