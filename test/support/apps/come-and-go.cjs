// Connections to the workers of a cluster, while further workers come and go: each goes on with the worker that accepted it.
const cluster = require('node:cluster')
const { once } = require('node:events')
const net = require('node:net')

const CLIENTS = 40
const port = Number(process.env.PORT)

async function main() {
  const clients = []
  for (let i = 2; i < 2 + CLIENTS; i++) {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${i}` }).setEncoding('utf8')
    clients.push({ socket, worker: (await once(socket, 'data'))[0] })
  }
  const answered = async () => {
    const answers = clients.map(async ({ socket, worker }) => {
      socket.write('are you still there?')
      return (await once(socket, 'data'))[0] === worker
    })
    return (await Promise.all(answers)).filter((same) => same).length
  }
  console.log('workers', new Set(clients.map(({ worker }) => worker)).size > 1, await answered())
  const newcomer = cluster.fork()
  await once(newcomer, 'listening')
  console.log('one came', await answered())
  newcomer.process.kill()
  await once(newcomer, 'exit')
  console.log('one went', await answered())
  for (const { socket } of clients) socket.destroy()
  cluster.disconnect()
}

if (cluster.isPrimary) {
  let listening = 0
  for (let i = 0; i < 3; i++) cluster.fork().once('listening', () => ++listening === 3 && main())
} else {
  const server = net.createServer((socket) => {
    socket.write(`${process.pid}`)
    socket.on('data', () => socket.write(`${process.pid}`)).on('error', () => {})
  })
  server.listen(port, '127.0.0.1')
}
