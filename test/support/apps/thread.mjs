// A server in a worker thread, its client in the main one, and the other way round.
import { once } from 'node:events'
import http from 'node:http'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const serve = async (name) => {
  const server = http.createServer((_req, res) => res.end(`by ${name}`)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
const ask = async (port) => (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text()

if (isMainThread) {
  const server = await serve('main')
  const worker = new Worker(new URL(import.meta.url), { workerData: server.address().port })
  const [{ port, heard }] = await once(worker, 'message')
  console.log('worker heard', heard)
  console.log('main heard', await ask(port))
  worker.postMessage('enough')
  server.close()
  console.log('exit', ...(await once(worker, 'exit')))
} else {
  const server = await serve('worker')
  parentPort.postMessage({ port: server.address().port, heard: await ask(workerData) })
  await once(parentPort, 'message')
  server.close()
}
