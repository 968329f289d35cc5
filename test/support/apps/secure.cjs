// TLS in every form: https, http2 with and without, `tls` itself, and a refused connection.
const http2 = require('node:http2')
const https = require('node:https')
const tls = require('node:tls')
const { createInterface } = require('node:readline')

const { key, cert } = JSON.parse(process.env.CERTIFICATE)
const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

async function main() {
  const web = https.createServer({ key, cert }, (req, res) => {
    res.end(`${req.socket.encrypted} ${req.socket.remoteAddress} ${req.socket.remotePort > 0}`)
  })
  const port = await listen(web)
  await new Promise((resolve) => {
    https
      .get({ host: 'localhost', port, ca: cert }, (res) => {
        const { socket } = res
        res
          .setEncoding('utf8')
          .on('data', (text) => console.log('https', text, socket.authorized, socket.remoteAddress))
        res.on('end', resolve)
      })
      .on('socket', (socket) => {
        for (const event of ['lookup', 'connectionAttempt', 'connect', 'ready', 'secureConnect']) {
          socket.on(event, () => console.log('event', event, socket.connecting))
        }
      })
  })
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  process.removeAllListeners('warning')
  console.log('fetch', await (await fetch(`https://localhost:${port}`)).text())

  for (const [scheme, server] of [
    ['https', http2.createSecureServer({ key, cert })],
    ['http', http2.createServer()],
  ]) {
    server.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.end(`${headers[':path']} ${stream.session.socket.remoteAddress}`)
    })
    const session = http2.connect(`${scheme}://localhost:${await listen(server)}`, { ca: cert })
    await new Promise((resolve) => {
      const request = session.request({ ':path': '/hello' }).setEncoding('utf8')
      request.on('data', (text) => console.log('http2', scheme, text)).on('end', resolve)
    })
    session.close()
    server.close()
  }

  const echo = tls.createServer({ key, cert }, (socket) => socket.pipe(socket))
  const socket = tls.connect(await listen(echo), 'localhost', { ca: cert }, () => {
    console.log('tls', socket.authorized, socket.getPeerCertificate().subject.CN)
    socket.end('bye')
  })
  socket.setEncoding('utf8').on('data', (text) => console.log('tls', text))
  socket.on('close', (hadError) => {
    console.log('tls closed', hadError)
    echo.close()
    const failing = tls.connect({ host: '127.0.0.1', port: 1 })
    failing.on('error', ({ code, syscall, address, port }) => console.log('error', code, syscall, address, port))
    failing.on('close', (hadError) => {
      console.log('closed', hadError)
      console.log('hold')
    })
  })
  createInterface({ input: process.stdin }).once('line', () => {
    https.globalAgent.destroy()
    web.closeAllConnections()
    web.close()
    process.stdin.destroy()
  })
}

process.on('warning', () => {})
main()
