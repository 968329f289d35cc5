import { once } from 'node:events'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { LiveError, openLive } from '../../src/cli/dump/live.ts'
import { CaptureStream, segmentsOf } from '../../src/observe/index.ts'
import { openControl } from '../../src/stack/control.ts'
import { controlPath } from '../../src/stack/index.ts'
import { listen, newStack } from '../support/stacks.ts'

it('a process that was told to lets others of the same user look into it, by its id and by its ports', async () => {
  const stack = newStack()
  const { port } = await listen(stack.net, (socket) => socket.pipe(socket))
  onTestFinished(openControl(stack))
  expect(statSync(dirname(controlPath(process.pid))).mode & 0o777).toBe(0o700)
  for (const target of [process.pid, port]) {
    const live = await openLive(target, 100)
    const stream = new CaptureStream()
    const lines: string[] = []
    const seen = new Promise<void>((resolve) => {
      live.on('data', (bytes: Buffer) => {
        for (const packet of stream.push(bytes)) {
          expect(packet.data.length).toBeLessThanOrEqual(100)
          for (const { source, destination } of segmentsOf(packet)) lines.push(`${source} > ${destination}`)
        }
        if (lines.length >= 3) resolve()
      })
    })
    // The door has been opened when the capture's beginning is there.
    await once(live, 'data')
    const socket = stack.net.connect(port, '127.0.0.1')
    socket.end('hello')
    socket.resume()
    await Promise.all([once(socket, 'close'), seen])
    expect(new Set(lines)).toEqual(new Set(['127.0.0.1 > 127.0.0.1']))
    live.destroy()
    await once(live, 'close')
  }
  await expect(openLive(1, undefined)).rejects.toThrow(LiveError)
})
