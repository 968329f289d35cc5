// Everything is imported, and copied, before anything is registered.
const http = require('node:http')
const net = require('node:net')
const { request } = http

async function main() {
  const { get } = await import('node:http')
  const { default: netDefault } = await import('node:net')
  if (process.env.REGISTER) await import(process.env.REGISTER)
  const named = await import('node:net')
  const server = http.createServer((_req, res) => res.end('ok')).listen(0, '127.0.0.1')
  server.on('listening', async () => {
    const { port } = server.address()
    const target = { host: '127.0.0.1', port, headers: { connection: 'close' } }
    for (const ask of [request, get]) {
      await new Promise((resolve) => ask(target, (res) => res.resume().on('end', resolve)).end())
    }
    for (const connect of [net.connect, net.createConnection, netDefault.connect, named.connect]) {
      await new Promise((resolve) => {
        connect(port, '127.0.0.1').end('GET / HTTP/1.0\r\n\r\n').resume().on('close', resolve)
      })
    }
    server.close(() => console.log('closed'))
  })
}
main()
