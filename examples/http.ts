// HTTP over sluice: node:http knows nothing of it, and need not.
//
//   npx tsx examples/http.ts serve DIRECTORY [port]       (default 7080; port 0: any free one)
//   npx tsx examples/http.ts get http://127.0.0.1:7080/FILE > copy
//
// Two lines carry it: a server takes each connection through `emit('connection', socket)`, and a request takes its socket from
// `createConnection`. In a project of yours the import below reads `import net from 'sluice'`.

import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import net from '../src/index.ts'

const [role, target, port = '7080'] = process.argv.slice(2)
if (role === 'serve' && target) serve(resolve(target), Number(port))
else if (role === 'get' && target) get(new URL(target)).catch(fail)
else fail(new Error('usage: http.ts serve DIRECTORY [port] | get URL'))

function serve(root: string, port: number): void {
  const web = http.createServer((request, response) => {
    answer(root, request, response).catch((error: NodeJS.ErrnoException) => {
      if (response.headersSent) response.destroy()
      else response.writeHead(error.code === 'ENOENT' ? 404 : 400).end(`${error.code ?? 'bad request'}\n`)
    })
  })
  const server = net.createServer((socket) => web.emit('connection', socket))
  server.on('error', fail)
  server.listen(port, () => console.log(`listening on port ${(server.address() as AddressInfo).port}`))
}

async function answer(root: string, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  // Resolved below the root, and checked to be there: `..` leads nowhere.
  const path = join(root, decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname))
  if (path !== root && !path.startsWith(root.endsWith(sep) ? root : root + sep)) throw new Error('outside')
  const { size } = await stat(path).then(async (found) => (found.isDirectory() ? { size: -1 } : found))
  if (size < 0) return void response.end(`${(await readdir(path)).sort().join('\n')}\n`)
  response.setHeader('Content-Length', size)
  if (request.method === 'HEAD') return void response.end()
  // Backpressure from end to end: the file is read as fast as the peer's window opens, and no faster.
  await pipeline(createReadStream(path), response)
}

async function get(url: URL): Promise<void> {
  const request = http.get(url, { createConnection: () => net.connect(Number(url.port || 80), url.hostname) })
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
  })
  await pipeline(response, process.stdout, { end: false })
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${response.statusMessage}`)
}

function fail(error: Error): void {
  console.error(error.message)
  process.exitCode = 1
}
