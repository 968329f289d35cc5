import dgram from 'node:dgram'
import type { NetworkInterfaceInfo } from 'node:os'
import { performance } from 'node:perf_hooks'
import timers from 'node:timers'
import type { DirectionFields, Rng } from '../impair/index.ts'
import { Links } from './sim/links.ts'
import { type Flow, type LinkEnd, type LinkTime, type LinkWatcher, SimLink } from './sim/sim-link.ts'
import type { Task } from './sim/world.ts'

// Captured at load: fake timers of a test runner must not be able to stop a network.
const { setTimeout } = timers
const { nextTick } = process
const monotonicMs = performance.now.bind(performance)

/** Real time, since it was made. */
class RealTime implements LinkTime {
  readonly #originMs = monotonicMs()

  get nowUs(): number {
    return Math.floor((monotonicMs() - this.#originMs) * 1000)
  }

  schedule(us: number, task: Task): void {
    const timer = setTimeout(
      () => {
        if (task.isDue?.(us) !== false) task.fire(this.nowUs)
      },
      Math.max(1, Math.ceil((us - this.nowUs) / 1000)),
    )
    timer.unref()
  }
}

interface RealFlow extends Flow {
  readonly send: (message: Buffer) => void
}

export interface RealNetOptions {
  readonly link: DirectionFields
  readonly rng: Rng
  readonly watcher: LinkWatcher
}

/** Hosts on real UDP sockets of this machine's loopback; between any two a link, made of what is done to datagrams before they are sent. */
export class RealNet {
  readonly time = new RealTime()
  readonly #options: RealNetOptions
  readonly #machines: RealMachine[] = []
  readonly #links = new Links<RealMachine>((from, to) => this.#newLink(from, to))

  constructor(options: RealNetOptions) {
    this.#options = options
  }

  machine(name: string): RealMachine {
    const machine = new RealMachine(this, name, this.#address(this.#machines.length + 1))
    this.#machines.push(machine)
    return machine
  }

  link(from: RealMachine, to: RealMachine): SimLink {
    return this.#links.between(from, to)
  }

  #newLink(from: RealMachine, to: RealMachine): SimLink {
    const { link: fields, rng, watcher } = this.#options
    const own = rng.fork('link').fork(from.name).fork(to.name)
    const link = new SimLink(this.time, from, to, fields, own, this.#links.segments(from, to))
    link.watcher = watcher
    return link
  }

  /** Who has a UDP address; null: nobody of this network. */
  at(address: string, port: number): RealMachine | null {
    const here = this.#machines.filter((machine) => machine.address === address)
    return here.find((machine) => machine.ports.has(port)) ?? here[0] ?? null
  }

  /** Linux and Windows have all of 127/8; elsewhere hosts share one address, and are told apart by their ports. */
  #address(number: number): string {
    if (process.platform !== 'linux' && process.platform !== 'win32') return '127.0.0.1'
    return `127.${this.#block >> 8}.${this.#block & 0xff}.${number}`
  }

  /** Tests in other processes have, most probably, other addresses. */
  readonly #block = 0x4000 + Math.floor(Math.random() * 0x3fff)
}

/** A host on real sockets. */
export class RealMachine implements LinkEnd {
  readonly name: string
  readonly address: string
  /** UDP ports that it has bound. */
  readonly ports = new Set<number>()
  /** A module like `node:dgram`, whose sockets send through the links. */
  readonly dgram: typeof dgram
  readonly #net: RealNet

  constructor(net: RealNet, name: string, address: string) {
    this.#net = net
    this.name = name
    this.address = address
    this.dgram = {
      ...dgram,
      createSocket: ((options: dgram.SocketOptions) => this.#socket(options)) as typeof dgram.createSocket,
    }
  }

  readonly interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => ({
    lo: [
      {
        address: this.address,
        netmask: '255.0.0.0',
        family: 'IPv4',
        mac: '00:00:00:00:00:00',
        internal: true,
        cidr: `${this.address}/8`,
      },
    ],
  })

  arrive(message: Buffer, flow: Flow): void {
    ;(flow as RealFlow).send(message)
  }

  #socket(options: dgram.SocketOptions): dgram.Socket {
    const socket = dgram.createSocket(options)
    const send = socket.send.bind(socket) as (...args: unknown[]) => void
    const flows = new Map<string, RealFlow>()
    let bound = 0
    socket.on('listening', () => {
      bound = socket.address().port
      this.ports.add(bound)
    })
    socket.on('close', () => this.ports.delete(bound))
    const bind = socket.bind.bind(socket) as (where: dgram.BindOptions, done?: () => void) => dgram.Socket
    // Not any address, but the host's.
    socket.bind = ((where: dgram.BindOptions, done?: () => void) =>
      bind({ ...where, address: where.address === '0.0.0.0' ? this.address : where.address }, done)) as typeof bind &
      typeof socket.bind
    socket.send = ((...args: unknown[]) => {
      const callback = args.at(-1) as (error: Error | null, bytes: number) => void
      const [buffer, start, length, port, address] = args as [Buffer, number, number, number, string]
      const connected = args.length === 4
      const to = connected ? socket.remoteAddress() : { address, port }
      const key = `${to.address}|${to.port}`
      const flow = flows.get(key) ?? this.#flow(socket, send, to.address, to.port, connected)
      flows.set(key, flow)
      flow.link.transmit(buffer, start, start + length, flow)
      nextTick(callback, null, length)
    }) as typeof socket.send
    return socket
  }

  #flow(
    socket: dgram.Socket,
    send: (...args: unknown[]) => void,
    address: string,
    port: number,
    connected: boolean,
  ): RealFlow {
    const to = this.#net.at(address, port) ?? this
    const sourcePort = socket.address().port
    const late = new LateSender(this.address, sourcePort, address, port)
    const failed = (error: Error | null): void => {
      // Where a socket is connected this is the answer to an earlier datagram, which the stack wants to hear of.
      if (error !== null && connected) socket.emit('error', error)
    }
    return {
      family: address.includes(':') ? 'IPv6' : 'IPv4',
      sourceAddress: this.address,
      sourcePort,
      address,
      port,
      link: this.#net.link(this, to),
      refused: null,
      sink: null,
      sinkVersion: -1,
      send: (message) => {
        try {
          if (connected) send(message, failed)
          else send(message, port, address, failed)
        } catch {
          // Closed meanwhile: what was under way, a reset most of all, arrives all the same.
          late.send(message)
        }
      },
    }
  }
}

/** Sends for a socket that is closed, from its address and port, unless another has that port by now. */
class LateSender {
  readonly #source: dgram.BindOptions
  readonly #address: string
  readonly #port: number
  #socket: dgram.Socket | null = null
  #pending = 0

  constructor(sourceAddress: string, sourcePort: number, address: string, port: number) {
    this.#source = { address: sourceAddress, port: sourcePort, exclusive: true }
    this.#address = address
    this.#port = port
  }

  send(message: Buffer): void {
    const socket = this.#socket ?? this.#open()
    this.#pending++
    // Before it is bound dgram keeps what is sent.
    socket.send(message, this.#port, this.#address, () => {
      if (socket === this.#socket && --this.#pending === 0) this.#close()
    })
  }

  #open(): dgram.Socket {
    const socket = dgram.createSocket(this.#address.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', () => {
      if (socket === this.#socket) this.#close()
    })
    socket.bind(this.#source)
    socket.unref()
    this.#socket = socket
    this.#pending = 0
    return socket
  }

  #close(): void {
    this.#socket?.close()
    this.#socket = null
  }
}
