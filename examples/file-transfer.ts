// Sends a file of any size, goes on where it was cut off, and proves that every byte came: SHA-256 over the whole file.
//
//   npx tsx examples/file-transfer.ts receive DIRECTORY [port]       (default 7009; port 0: any free one)
//   npx tsx examples/file-transfer.ts send FILE [port] [host]
//
// In a project of yours the import below reads `import net from 'sluice'`; with `node:net` the program is the same.
// On the connection the sender says {"name":…,"size":…}, and the receiver {"offset":…}: what it already has of it, in FILE.part.
// Then come the bytes from there on and a digest of 32 bytes, and the receiver answers `ok` or `bad`.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import net, { type Socket } from '../src/index.ts'
import { progress, StreamReader } from './support.ts'

const [role, path, port = '7009', host = '127.0.0.1'] = process.argv.slice(2)
if (role === 'send' && path) send(path).catch(fail)
else if (role === 'receive' && path) serve(path)
else fail(new Error('usage: file-transfer.ts receive DIRECTORY [port] | send FILE [port] [host]'))

async function send(file: string): Promise<void> {
  const { size } = await stat(file)
  const socket = net.connect({ port: Number(port), host })
  const reader = new StreamReader(socket)
  socket.write(`${JSON.stringify({ name: basename(file), size })}\n`)
  const { offset } = JSON.parse(await reader.line())
  if (offset > 0) console.log(`going on at byte ${offset}`)
  const hash = createHash('sha256')
  // What the receiver has already is hashed too, though not sent: a file that changed in between must not slip through.
  if (offset > 0) for await (const chunk of createReadStream(file, { end: offset - 1 })) hash.update(chunk)
  const show = progress('sent', size, offset)
  // `pipeline` keeps memory flat: it reads no more of the file while the peer's window is shut. At the end it half-closes.
  await pipeline(async function* () {
    for await (const chunk of createReadStream(file, { start: offset, highWaterMark: 1 << 18 })) {
      hash.update(chunk)
      show(chunk.length)
      yield chunk
    }
    yield hash.digest()
  }, socket)
  if ((await reader.line()) !== 'ok') throw new Error('the digests differ; send it again, from the start')
  console.log(`${basename(file)}: ${size} bytes sent, SHA-256 agreed`)
}

function serve(directory: string): void {
  // The sender half-closes and waits for the verdict: `allowHalfOpen`, or our end would be closed along with its end.
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    receive(socket, directory).catch((error: Error) => {
      console.log(`broken off: ${error.message}`)
      socket.destroy()
    })
  })
  server.on('error', fail)
  server.listen(Number(port), () => console.log(`listening on port ${(server.address() as { port: number }).port}`))
}

async function receive(socket: Socket, directory: string): Promise<void> {
  const reader = new StreamReader(socket)
  const { name, size } = JSON.parse(await reader.line())
  const target = join(directory, basename(name))
  const part = `${target}.part`
  const had = (await stat(part).catch(() => null))?.size ?? 0
  const hash = createHash('sha256')
  if (had > 0) for await (const chunk of createReadStream(part)) hash.update(chunk)
  socket.write(`${JSON.stringify({ offset: had })}\n`)
  const show = progress('received', size, had)
  await pipeline(
    async function* () {
      for await (const chunk of reader.bytes(size - had)) {
        hash.update(chunk)
        show(chunk.length)
        yield chunk
      }
    },
    createWriteStream(part, { flags: 'a', highWaterMark: 1 << 20 }),
  )
  const good = hash.digest().equals(await reader.exactly(32))
  await (good ? rename(part, target) : rm(part))
  socket.end(good ? 'ok\n' : 'bad\n')
  console.log(`${basename(name)}: ${size} bytes, SHA-256 ${good ? 'agrees' : 'DIFFERS, thrown away'}`)
}

function fail(error: Error): void {
  console.error(error.message)
  process.exitCode = 1
}
