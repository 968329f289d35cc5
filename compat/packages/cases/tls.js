import assert from 'node:assert/strict'
import { once } from 'node:events'
import tls from 'node:tls'
import { big, readAll, sameBytes } from '../kit.js'

export const packageName = 'node:tls'
export const inject = "`tls.connect({ socket })`; the server's `emit('connection')`"

export default async function (t) {
  const { key, cert } = await t.certificate()
  const server = tls.createServer({ key, cert, ALPNProtocols: ['echo'] }, (socket) => {
    socket.pipe(socket)
  })
  const port = await t.listen(server)
  const connect = (options) =>
    t.injected
      ? tls.connect({ socket: t.net.connect(port, '127.0.0.1'), servername: 'localhost', ca: cert, ...options })
      : tls.connect({ port, host: 'localhost', ca: cert, ...options })

  const socket = connect({ ALPNProtocols: ['echo'] })
  let session
  socket.on('session', (data) => {
    session = data
  })
  await once(socket, 'secureConnect')
  assert.equal(socket.alpnProtocol, 'echo')
  socket.end(big)
  sameBytes(await readAll(socket))
  assert.ok(session, 'a session to resume')

  const again = connect({ session })
  await once(again, 'secureConnect')
  assert.ok(again.isSessionReused())
  again.end('once more')
  assert.equal(String(await readAll(again)), 'once more')

  const stranger = connect({ ca: undefined })
  const [error] = await once(stranger, 'error')
  assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  await t.close(server)
}
