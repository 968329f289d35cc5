// A server that listens through sluice, and at the same port to the kernel's TCP by a gateway; asked by a program without sluice.
import { execFile } from 'node:child_process'
import http from 'node:http'

const { createGateway } = await import(process.env.SLUICE)
const { register } = await import(process.env.REGISTER)

register({
  listening(server) {
    const { address: host, port } = server.address()
    createGateway({ listen: { protocol: 'tcp', host, port }, to: server })
      .once('listening', () => ask(server, port))
      // The port was free for UDP; the kernel's TCP may have it.
      .once('error', () => server.close(() => server.listen(0, host)))
      .unref()
  },
})

const server = http.createServer(({ socket }, res) => {
  res.end(JSON.stringify([socket.remoteAddress, socket.remotePort, socket.remoteFamily, socket.tcp !== undefined]))
})
server.listen(0, process.env.HOST)

const client = `
  const request = require('http').get({ port: process.argv[1], host: '127.0.0.1', headers: { connection: 'close' } }, (res) => {
    const { localPort } = res.socket
    res.on('data', (text) => {
      const [address, port, ...rest] = JSON.parse(text)
      console.log(address, port === localPort, ...rest)
    })
  })`

function ask(server, port) {
  execFile(
    process.execPath,
    ['-e', client, port],
    { env: { ...process.env, NODE_OPTIONS: '' } },
    (_error, stdout, stderr) => {
      process.stdout.write(stdout + stderr)
      server.close()
    },
  )
}
