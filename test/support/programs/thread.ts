// A worker thread with a server of its own on a port that it shares: says its number to whoever says something.

import { parentPort, workerData } from 'node:worker_threads'
import { createServer } from '../../../src/index.ts'

const { port, name } = workerData as { port: number; name: string }
const server = createServer((socket) => {
  socket.on('data', () => socket.write(name)).on('error', () => {})
})
server.listen({ port, host: '127.0.0.1', reusePort: true }, () => {
  parentPort?.postMessage((server.address() as { port: number }).port)
})
