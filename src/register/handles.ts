import type { ChildProcess } from 'node:child_process'
import nodeNet from 'node:net'
import { isCarried } from '../net/index.ts'
import { getBuiltinModule, whenLoaded } from './builtins.ts'
import type { Patches } from './patches.ts'

// A connection of the kernel's can be handed to another process. One of ours lives where its stack is, and Node would take what stands in the
// place of its handle for a real one.

type Send = (this: unknown, ...args: unknown[]) => boolean
interface Channel {
  send?: Send
}

type Children = { ChildProcess: { prototype: ChildProcess & Channel & { spawn(...args: unknown[]): number } } }

export function patchHandlePassing(patches: Patches): void {
  whenLoaded('child_process', () => {
    const proto = (getBuiltinModule('child_process') as unknown as Children).ChildProcess.prototype
    const { spawn } = proto
    patches.replace(proto, 'spawn', function (this: Channel, ...args: unknown[]): number {
      const result = spawn.apply(this as typeof proto, args)
      if (this.send !== undefined) this.send = guarded(this.send)
      return result
    })
  })
  const parent = process as Channel
  if (parent.send !== undefined) patches.replace(parent, 'send', guarded(parent.send))
}

function guarded(send: Send): Send {
  return function (...args) {
    const [, handle] = args
    if (handle !== null && typeof handle === 'object' && isCarried(handle)) throw notSendable(handle)
    return send.apply(this, args)
  }
}

function notSendable(handle: object): Error {
  const [what, instead] =
    handle instanceof nodeNet.Server
      ? ['server', 'let the other process listen by itself']
      : ['socket', 'let the other process connect by itself']
  const error = new TypeError(
    `A ${what} of sluice cannot be sent to another process: its TCP lives in this one; ${instead}, or name its port in SLUICE_EXCEPT`,
  )
  return Object.assign(error, { code: 'ERR_INVALID_HANDLE_TYPE' })
}
