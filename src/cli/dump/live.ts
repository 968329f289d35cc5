import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type ControlRequest, controlDirectory, controlPath, type StackRecord } from '../../stack/index.ts'

/** Nobody by this number can be looked into. */
export class LiveError extends Error {}

/** The process of that number, else the one that has that port: listens on it, or is connected by it. */
export async function findProcess(target: number): Promise<number> {
  if ((await stacksOf(target)).length > 0) return target
  const pid = await processWithPort(target)
  if (pid !== null) return pid
  throw new LiveError(
    `no process ${target} and none with port ${target} can be looked into (start it with SLUICE_CONTROL=1)`,
  )
}

/** The capture of a running process, of one of its stacks or of all. */
export async function openLive(pid: number, options: { snaplen?: number; stack?: number } = {}): Promise<Socket> {
  const { stack } = options
  const stacks = (await stacksOf(pid)).map((record) => record.stack)
  if (stack !== undefined && !stacks.includes(stack)) {
    throw new LiveError(`process ${pid} has no stack ${stack}: -i takes ${stacks.join(', ')} or any`)
  }
  return ask(pid, { command: 'capture', ...options })
}

/** The stacks of a process; none where it cannot be looked into. */
export async function stacksOf(pid: number): Promise<StackRecord[]> {
  try {
    let text = ''
    for await (const piece of (await ask(pid, { command: 'stacks' })).setEncoding('utf8')) text += piece
    return JSON.parse(text) as StackRecord[]
  } catch {
    return []
  }
}

async function ask(pid: number, request: ControlRequest): Promise<Socket> {
  const socket = connect(controlPath(pid))
  await once(socket, 'connect')
  socket.write(`${JSON.stringify(request)}\n`)
  return socket
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
    const stacks = Number.isInteger(pid) ? await stacksOf(pid) : []
    if (stacks.some(({ ports }) => ports.includes(port))) return pid
  }
  return null
}
