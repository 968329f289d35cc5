import { once } from 'node:events'
import nodeNet, { type AddressInfo } from 'node:net'
import { describe, onTestFinished } from 'vitest'
import { createNet, type Net } from '../../src/net/net.ts'
import type { ListenOptions, NetConnectOptions, Server, ServerOptions, Socket } from '../../src/net/types.ts'
import { FakeStack } from './fake-stack.ts'

// The same test bodies on `node:net` and on ours: the first proves that what they expect is Node's behaviour.

export const kernel = nodeNet as unknown as Net

export function fakeNet(): { net: Net; stack: FakeStack } {
  const stack = new FakeStack()
  return { net: createNet(() => stack.asStack), stack }
}

let networks: [string, Net][] = [
  ['node:net', kernel],
  ['sluice', fakeNet().net],
]

/** Runs the bodies of `onBoth` on this instead, when files of tests are read after it. */
export function insteadOn(name: string, net: Net): void {
  networks = [[name, net]]
}

/** Runs `body` with each of the two. */
export function onBoth(name: string, body: (net: Net) => void): void {
  describe.each(networks)(`${name}: %s`, (_, net) => body(net))
}

/** Awaits `count` turns of the event loop. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A server that listens, and goes with the test, its connections too. */
export async function listening(
  net: Net,
  options: ServerOptions & { listen?: ListenOptions } = {},
  onConnection?: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = net.createServer(options, onConnection)
  const sockets: Socket[] = []
  server.on('connection', (socket) => {
    sockets.push(socket)
  })
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(options.listen ?? { port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** A client that goes with the test. */
export function connecting(net: Net, options: Partial<NetConnectOptions> & { port: number }): Socket {
  const client = net.connect({ host: '127.0.0.1', ...options } as NetConnectOptions)
  onTestFinished(() => {
    client.destroy()
  })
  return client
}

export interface Pair {
  server: Server
  client: Socket
  peer: Socket
}

/** Two ends of a connection, with errors heard. */
export async function pair(
  net: Net,
  options: ServerOptions & { client?: Partial<NetConnectOptions> } = {},
): Promise<Pair> {
  const { server, port } = await listening(net, options)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connecting(net, { port, ...options.client })
  client.on('error', () => {})
  const connected = once(client, 'connect')
  const [peer] = await accepted
  peer.on('error', () => {})
  await connected
  return { server, client, peer }
}

/** Names of a socket's events in their order, with what tells them apart. */
export function log(socket: Socket, events: string[] = EVENTS): string[] {
  const lines: string[] = []
  for (const event of events) {
    socket.on(event, (first: unknown) => {
      if (event === 'error') lines.push(`error ${(first as NodeJS.ErrnoException).code}`)
      else lines.push(typeof first === 'boolean' ? `${event} ${first}` : event)
    })
  }
  return lines
}

const EVENTS = ['lookup', 'connectionAttempt', 'connect', 'ready', 'end', 'finish', 'timeout', 'error', 'close']

export const closed = (socket: Socket): Promise<unknown[]> =>
  new Promise((resolve) => {
    socket.once('close', (...args: unknown[]) => resolve(args))
  })

export const failed = (emitter: Socket | Server): Promise<NodeJS.ErrnoException & Record<string, unknown>> =>
  new Promise((resolve) => {
    emitter.once('error', (error: Error) => resolve(error as NodeJS.ErrnoException & Record<string, unknown>))
  })
