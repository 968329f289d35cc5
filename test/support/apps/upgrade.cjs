// What WebSocket libraries do: a server that upgrades, a client that asks for it, bytes both ways afterwards, a chat of three.
const { once } = require('node:events')
const http = require('node:http')

const room = new Set()
const server = http.createServer((_req, res) => res.writeHead(426).end())
server.on('upgrade', (req, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n')
  socket.setNoDelay(true).setTimeout(0)
  room.add(socket)
  socket.on('data', (line) => {
    for (const other of room) if (other !== socket) other.write(`${req.headers.name}: ${line}`)
  })
  socket.on('end', () => socket.end()).on('close', () => room.delete(socket))
})
server.listen(0, process.env.HOST, async () => {
  const { port } = server.address()
  const join = (name) =>
    new Promise((resolve) => {
      const request = http.request({
        port,
        host: process.env.HOST,
        headers: { connection: 'Upgrade', upgrade: 'chat', name },
      })
      request.on('upgrade', (res, socket) => {
        console.log(name, res.statusCode, socket.readyState)
        resolve(socket.setEncoding('utf8'))
      })
      request.end()
    })
  const [ann, bob, cyd] = [await join('ann'), await join('bob'), await join('cyd')]
  const say = async (speaker, text, ...listeners) => {
    const heard = Promise.all(listeners.map((listener) => once(listener, 'data')))
    speaker.write(text)
    console.log('heard', ...(await heard).flat())
  }
  await say(ann, 'hi all', bob, cyd)
  await say(bob, 'hello ann', ann, cyd)
  const closed = [ann, bob, cyd].map((member) => once(member.end(), 'close'))
  console.log('closed', ...(await Promise.all(closed)).flat())
  server.close(() => console.log('over'))
})
