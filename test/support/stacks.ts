import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { onTestFinished } from 'vitest'
import { type ListenOptions, type Net, type Server, type Socket, Stack, type StackOptions } from '../../src/index.ts'

// Stacks on real sockets, for tests in `test/udp`: all of them go with the test.

/** Servers' ends of connections: the end of a test is no error to them. */
const accepted: Socket[] = []

export function newStack(options: StackOptions = {}): Stack {
  const stack = new Stack(options)
  onTestFinished(() => {
    for (const socket of accepted.splice(0)) socket.destroy()
    return stack.close({ abort: true })
  })
  return stack
}

/** A server that listens, by default on a free port of 127.0.0.1. */
export async function listen(
  net: Net,
  onConnection?: (socket: Socket) => void,
  options: ListenOptions & { allowHalfOpen?: boolean } = {},
): Promise<{ server: Server; port: number }> {
  const { allowHalfOpen = false, ...where } = options
  const server = net.createServer({ allowHalfOpen }, onConnection)
  server.on('connection', (socket) => accepted.push(socket))
  server.listen({ port: 0, host: '127.0.0.1', ...where })
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** What a socket brings until its end. It can be written to afterwards; an iterator would destroy it. */
export async function bytesOf(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'end')
  return Buffer.concat(pieces)
}

/** The error that a socket or a server fails with. */
export type Failure = NodeJS.ErrnoException & { address?: string; port?: number }

export const failureOf = async (emitter: Socket | Server): Promise<Failure> => (await once(emitter, 'error'))[0]

/** 'end', or the code of the error that comes instead. */
export function outcomeOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', (error: Failure) => resolve(error.code ?? error.message))
    socket.resume()
  })
}

export const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])

/** Where there is no IPv6, what is about it is left out of the tables of cases. */
export const hasIPv6 = addresses.some(({ address }) => address === '::1')
/** An IPv4 address of this machine that other machines know, if it has one. */
export const outsideAddress = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
