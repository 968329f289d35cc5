// For clients that take no socket of ours but know proxies: a proxy on the kernel's TCP that goes on through sluice.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

/** A proxy by the CONNECT of HTTP; whatever host is asked for, it is this one. */
export async function connectFront(connect) {
  const server = http.createServer()
  server.on('connect', (request, client) => {
    const port = Number(request.url.split(':').at(-1))
    const target = connect({ host: '127.0.0.1', port })
    target.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(target).pipe(client)
    })
    tie(client, target)
  })
  return listening(server)
}

/** A proxy by SOCKS5 without authentication, CONNECT only. */
export async function socksFront(connect) {
  const server = net.createServer(async (client) => {
    // Version, methods: none needed. Then version, CONNECT, reserved, and an IPv4 address or a name.
    const [methods] = await once(client, 'data')
    if (methods[0] !== 5) return client.destroy()
    client.write(Buffer.of(5, 0))
    const [asked] = await once(client, 'data')
    const port = asked.readUInt16BE(asked.length - 2)
    const target = connect({ host: '127.0.0.1', port })
    target.once('connect', () => {
      client.write(Buffer.of(5, 0, 0, 1, 127, 0, 0, 1, port >> 8, port & 255))
      client.pipe(target).pipe(client)
    })
    tie(client, target)
  })
  return listening(server)
}

function tie(client, target) {
  client.on('error', () => {}).once('close', () => target.destroy())
  target.on('error', () => {}).once('close', () => client.destroy())
}

async function listening(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port, close: () => server.close() }
}
