// An HTTP server as frameworks make it, and its clients: `fetch`, `http.get`, an agent that keeps connections.
import http, { createServer, get } from 'node:http'
import { createInterface } from 'node:readline'

const routes = {
  '/': (_req, res) => res.end('home'),
  '/whoami': (req, res) => res.json({ from: req.socket.remoteAddress }),
}
const app = (req, res) => {
  res.json = (value) => res.setHeader('content-type', 'application/json').end(JSON.stringify(value))
  const route = routes[req.url]
  if (route) route(req, res)
  else if (req.method === 'POST') req.pipe(res)
  else res.writeHead(404).end('nothing here')
}
const server = createServer(app)
server.listen(0, '127.0.0.1', async () => {
  const { port, address, family } = server.address()
  console.log('listening', server.listening, address, family, port > 0)
  const url = `http://localhost:${port}`
  console.log('fetch', await (await fetch(url)).text())
  console.log('fetch', await (await fetch(`${url}/whoami`)).json())
  console.log('fetch', (await fetch(`${url}/other`)).status)
  console.log('echo', (await (await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) })).text()).length)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (const _ of [1, 2]) {
    await new Promise((resolve) => {
      get({ host: '127.0.0.1', port, path: '/', agent }, (res) => {
        res
          .setEncoding('utf8')
          .on('data', (text) => console.log('get', text, res.req.reusedSocket))
          .on('end', resolve)
      })
    })
  }
  console.log('hold')
  createInterface({ input: process.stdin }).once('line', () => {
    agent.destroy()
    server.closeIdleConnections()
    server.close(() => console.log('closed', server.listening, server.address()))
    process.stdin.destroy()
  })
})
