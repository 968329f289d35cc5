import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type ControlRequest, controlDirectory, controlPath, type SocketRecord } from '../../stack/index.ts'

/** Nobody by this number can be looked into. */
export class LiveError extends Error {}

/** The capture of a running process, by its id, or by a port that it listens on or is connected by. */
export async function openLive(target: number, snaplen: number | undefined): Promise<Socket> {
  const pid = (await isOpen(target)) ? target : await processWithPort(target)
  if (pid === null) {
    throw new LiveError(
      `no process ${target} and none with port ${target} can be looked into (start it with SLUICE_CONTROL=1)`,
    )
  }
  return ask(pid, { command: 'capture', snaplen })
}

async function ask(pid: number, request: ControlRequest): Promise<Socket> {
  const socket = connect(controlPath(pid))
  await once(socket, 'connect')
  socket.write(`${JSON.stringify(request)}\n`)
  return socket
}

async function isOpen(pid: number): Promise<boolean> {
  try {
    ;(await ask(pid, { command: 'sockets' })).destroy()
    return true
  } catch {
    return false
  }
}

async function processWithPort(port: number): Promise<number | null> {
  const directory = controlDirectory()
  let names: string[] = []
  try {
    if (directory !== null) names = readdirSync(directory)
  } catch {
    // Nobody has opened one yet.
  }
  for (const name of names) {
    const pid = Number(/^(\d+)\.sock$/.exec(name)?.[1])
    const records = Number.isInteger(pid) ? await socketsOf(pid) : []
    if (records.some(({ localPort }) => localPort === port)) return pid
  }
  return null
}

async function socketsOf(pid: number): Promise<SocketRecord[]> {
  try {
    let text = ''
    for await (const piece of (await ask(pid, { command: 'sockets' })).setEncoding('utf8')) text += piece
    return JSON.parse(text) as SocketRecord[]
  } catch {
    return []
  }
}
