import { once } from 'node:events'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { findProcess, LiveError, openLive, stacksOf } from '../../src/cli/dump/live.ts'
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
    const live = await openLive(await findProcess(target), { snaplen: 100 })
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
  await expect(findProcess(1)).rejects.toThrow(LiveError)
})

it('each stack of a process can be looked into by itself, and all at once', async () => {
  const [one, other] = [newStack(), newStack()]
  const [first, second] = [await listen(one.net, () => {}), await listen(other.net, () => {})]
  const close = openControl(one)
  onTestFinished(openControl(other))
  const stacks = await stacksOf(process.pid)
  expect(stacks).toMatchObject([
    { listening: [`127.0.0.1:${first.port}`], connections: 0, ports: [first.port] },
    { listening: [`127.0.0.1:${second.port}`], connections: 0, ports: [second.port] },
  ])
  const [a, b] = stacks.map(({ stack }) => stack)
  for (const [stack, expected] of [
    [a, [first.port]],
    [b, [second.port]],
    [undefined, [first.port, second.port]],
  ] as const) {
    const live = await openLive(process.pid, { stack })
    const stream = new CaptureStream()
    const ports = new Set<number>()
    // Each server sees one SYN.
    const seen = new Promise<void>((resolve) => {
      live.on('data', (bytes: Buffer) => {
        for (const packet of stream.push(bytes)) {
          for (const { buffer, start } of segmentsOf(packet)) ports.add(buffer.readUInt16BE(start + 2))
        }
        if (expected.every((port) => ports.has(port))) resolve()
      })
    })
    await once(live, 'data')
    const client = newStack()
    const sockets = [second, first].map(({ port }) => client.net.connect(port, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await seen
    for (const { port } of [first, second]) expect(ports.has(port)).toBe((expected as readonly number[]).includes(port))
    live.destroy()
    for (const socket of sockets) socket.destroy()
    await Promise.all(sockets.map((socket) => once(socket, 'close')))
  }
  await expect(openLive(process.pid, { stack: 99_999 })).rejects.toThrow(`-i takes ${a}, ${b} or any`)
  close()
  expect((await stacksOf(process.pid)).map(({ stack }) => stack)).toEqual([b])
})
