import fs from 'node:fs'
import net from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
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
  readonly command: 'capture' | 'sockets'
  readonly snaplen?: number
}

/** Where the doors of this user's processes are; null where that is no directory (Windows has names instead). */
export const controlDirectory = (): string | null =>
  process.platform === 'win32' ? null : join(tmpdir(), `sluice-${userInfo().uid}`)

/** The door of a process. */
export function controlPath(pid: number): string {
  const directory = controlDirectory()
  return directory === null ? `\\\\.\\pipe\\sluice-${pid}` : join(directory, `${pid}.sock`)
}

/** Opens the door of this process for `stack`; what it returns closes it. Does not keep the process alive. Throws where the directory is not this user's alone. */
export function openControl(stack: Stack): () => void {
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
      answer(stack, socket, request)
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

function answer(stack: Stack, socket: net.Socket, text: string): void {
  let request: ControlRequest
  try {
    request = JSON.parse(text) as ControlRequest
  } catch {
    socket.destroy()
    return
  }
  if (request.command === 'sockets') socket.end(`${JSON.stringify(stack.sockets())}\n`)
  else if (request.command === 'capture') {
    const output = {
      write: (bytes: Buffer): void => {
        if (socket.writableLength < MOST_WAITING) socket.write(bytes)
      },
    }
    const capture = stack.capture(output, { snaplen: Number(request.snaplen) || undefined })
    socket.once('close', () => capture.stop())
  } else socket.destroy()
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
