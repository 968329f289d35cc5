import fs from 'node:fs'
import net from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { formatEnd } from '../observe/index.ts'
import type { Stack } from './stack.ts'

// The door through which other processes of the same user look into a running stack. It is opened where `SLUICE_CONTROL` asks for it,
// never otherwise, and lies in a directory that nobody else may enter.

// Captured at load: `sluice/register` puts another `net` in its place.
const { createServer } = net

/** What may wait for a reader that is too slow, bytes; what comes beyond is left out of its capture. */
const MOST_WAITING = 64 << 20
const LONGEST_REQUEST = 1024

/** What is asked for, as a line of JSON. The answer is a pcapng that goes on until the asker leaves, or a line of JSON. */
export interface ControlRequest {
  readonly command: 'capture' | 'stacks'
  readonly snaplen?: number
  /** Of which stack; absent: of all that there are. */
  readonly stack?: number
}

/** What is told of a stack. */
export interface StackRecord {
  /** 1 is the first that the process made. */
  readonly stack: number
  /** `address:port` of its listeners. */
  readonly listening: readonly string[]
  readonly connections: number
  /** Local ports of its listeners and connections. */
  readonly ports: readonly number[]
}

/** Where the doors of this user's processes are; null where that is no directory (Windows has names instead). */
export const controlDirectory = (): string | null =>
  process.platform === 'win32' ? null : join(tmpdir(), `sluice-${userInfo().uid}`)

/** The door of a process. */
export function controlPath(pid: number): string {
  const directory = controlDirectory()
  return directory === null ? `\\\\.\\pipe\\sluice-${pid}` : join(directory, `${pid}.sock`)
}

/** Those of this process that can be looked into, by their numbers. */
const stacks = new Map<number, Stack>()
let made = 0
let closeDoor: (() => void) | null = null

/**
 * Lets others look into `stack`; what it returns ends that. The door of the process is open while there is one. Does not keep the
 * process alive. Throws where the directory is not this user's alone.
 */
export function openControl(stack: Stack): () => void {
  closeDoor ??= openDoor()
  const number = ++made
  stacks.set(number, stack)
  return () => {
    stacks.delete(number)
    if (stacks.size > 0) return
    closeDoor?.()
    closeDoor = null
  }
}

function openDoor(): () => void {
  const path = controlPath(process.pid)
  if (controlDirectory() !== null) makePrivate(dirname(path))
  const server = createServer((socket) => {
    socket.unref()
    // Whoever asked has gone: nothing is owed.
    socket.on('error', () => {})
    let request = ''
    socket.setEncoding('latin1')
    const onData = (text: string): void => {
      request += text
      if (request.length > LONGEST_REQUEST) socket.destroy()
      if (!request.includes('\n')) return
      socket.off('data', onData)
      socket.resume()
      answer(socket, request)
    }
    socket.on('data', onData)
  })
  server.on('error', (error) => process.emitWarning(`sluice cannot be looked into: ${error.message}`))
  server.listen(path)
  server.unref()
  const remove = (): void => fs.rmSync(path, { force: true })
  process.once('exit', remove)
  return () => {
    server.close()
    process.off('exit', remove)
    remove()
  }
}

function answer(socket: net.Socket, text: string): void {
  let request: ControlRequest
  try {
    request = JSON.parse(text) as ControlRequest
  } catch {
    socket.destroy()
    return
  }
  if (request.command === 'stacks') socket.end(`${JSON.stringify([...stacks].map(describe))}\n`)
  else if (request.command === 'capture') capture(socket, request)
  else socket.destroy()
}

/** Several stacks share the one stream: each begins it with a section of its own, and the interfaces of all sections are the same. */
function capture(socket: net.Socket, { snaplen, stack: only }: ControlRequest): void {
  const output = {
    write: (bytes: Buffer): void => {
      if (socket.writableLength < MOST_WAITING) socket.write(bytes)
    },
  }
  const wanted = [...stacks].filter(([number]) => only === undefined || number === only)
  const captures = wanted.map(([, stack]) => stack.capture(output, { snaplen: Number(snaplen) || undefined }))
  socket.once('close', () => {
    for (const one of captures) one.stop()
  })
}

function describe([number, stack]: [number, Stack]): StackRecord {
  const sockets = stack.sockets()
  const listeners = sockets.filter(({ state }) => state === 'LISTEN')
  return {
    stack: number,
    listening: listeners.map(({ localAddress, localPort }) => formatEnd(localAddress, localPort)),
    connections: sockets.length - listeners.length,
    ports: [...new Set(sockets.map(({ localPort }) => localPort))],
  }
}

function makePrivate(directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { uid, mode } = fs.lstatSync(directory)
  if (uid !== userInfo().uid || (mode & 0o077) !== 0) {
    throw new Error(`SLUICE_CONTROL needs ${directory} to be yours alone (mode 700)`)
  }
  // Of a process that died without a word and had the same number.
  fs.rmSync(controlPath(process.pid), { force: true })
}
