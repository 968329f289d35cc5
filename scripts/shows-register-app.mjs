// What `npm run shows -- register` runs: an application that knows nothing of sluice. It serves by express, https, http2 and ws and is its own
// client, then says which ports that were and waits for a line, with all connections open.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import express from 'express'
import { WebSocket, WebSocketServer } from 'ws'

const [key, cert] = ['key.pem', 'cert.pem'].map((file) => readFileSync(new URL(file, import.meta.url)))
const listening = async (server) => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server.address().port
}
const say = (...words) => console.log(words.join(' '))

const app = express()
app.use(express.json())
app.get('/hello/:name', (request, response) => response.json({ hello: request.params.name }))
app.post('/sum', (request, response) => response.json({ sum: request.body.reduce((a, b) => a + b, 0) }))
const web = createServer({ keepAliveTimeout: 60_000 }, app)
const webPort = await listening(web)
const hello = await (await fetch(`http://127.0.0.1:${webPort}/hello/world`)).json()
const body = JSON.stringify(Array.from({ length: 10_000 }, (_, i) => i))
const headers = { 'content-type': 'application/json' }
const sum = await (await fetch(`http://127.0.0.1:${webPort}/sum`, { method: 'POST', headers, body })).json()
say('express', webPort, hello.hello, sum.sum)

const secure = https.createServer({ key, cert }, (_request, response) => response.end('secret'))
const securePort = await listening(secure)
const agent = new https.Agent({ keepAlive: true, ca: cert })
const [response] = await once(
  https.get({ port: securePort, host: '127.0.0.1', servername: 'localhost', agent }),
  'response',
)
let secret = ''
for await (const piece of response) secret += piece
say('https', securePort, secret, response.socket?.authorized ?? true)

const second = http2.createSecureServer({ key, cert })
second.on('stream', (stream) => {
  stream.respond({ ':status': 200 })
  stream.end('streamed')
})
const secondPort = await listening(second)
const session = http2.connect(`https://localhost:${secondPort}`, { ca: cert })
const answers = await Promise.all(
  Array.from({ length: 8 }, async () => {
    let text = ''
    for await (const piece of session.request({ ':path': '/' })) text += piece
    return text
  }),
)
say('http2', secondPort, new Set(answers).size, answers[0])

const chat = new WebSocketServer({ port: 0, host: '127.0.0.1' })
await once(chat, 'listening')
chat.on('connection', (socket) => {
  socket.on('message', (message) => {
    for (const client of chat.clients) client.send(String(message))
  })
})
const guests = Array.from({ length: 3 }, () => new WebSocket(`ws://127.0.0.1:${chat.address().port}`))
await Promise.all(guests.map((guest) => once(guest, 'open')))
const heard = Promise.all(guests.map((guest) => once(guest, 'message')))
guests[0].send('hello, all')
say('ws', chat.address().port, ...(await heard).map(([message]) => `'${message}'`))

say('ready')
await once(process.stdin, 'data')
process.exit()
