import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import ssh2 from 'ssh2'
import { big, readAll, sameBytes } from '../kit.js'

export const packageName = 'ssh2'
export const inject = '`sock` of the client; `injectSocket` of the server'

export default async function (t) {
  const { private: hostKey } = ssh2.utils.generateKeyPairSync('ed25519')
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on('authentication', (context) => {
      if (context.method === 'password' && context.password === 'secret') context.accept()
      else context.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const stream = acceptExec()
        stream.stderr.write('on the side')
        stream.pipe(stream, { end: false })
        stream.on('end', () => {
          stream.exit(command === 'cat' ? 0 : 127)
          stream.end()
        })
      })
    })
    // What a forwarded port leads to: here a web server inside of the process.
    client.on('tcpip', (accept) => web.emit('connection', accept()))
    client.on('error', () => {})
  })
  const web = http.createServer((_request, response) => response.end('forwarded'))
  const port = await t.listen(server, (socket) => server.injectSocket(socket))
  const connect = async (password) => {
    const client = new ssh2.Client()
    const sock = t.injected ? t.connect({ port, host: '127.0.0.1' }) : undefined
    client.connect({ host: '127.0.0.1', port, sock, username: 'me', password })
    await once(client, 'ready')
    return client
  }
  await assert.rejects(connect('wrong'), { level: 'client-authentication' })
  const client = await connect('secret')
  const run = async (command, input) => {
    const stream = await new Promise((resolve, reject) =>
      client.exec(command, (error, made) => (error ? reject(error) : resolve(made))),
    )
    const exit = once(stream, 'exit')
    stream.end(input)
    const [out, side] = await Promise.all([readAll(stream), readAll(stream.stderr)])
    return { out, side: String(side), status: (await exit)[0] }
  }
  const [first, second] = await Promise.all([run('cat', big), run('dog', 'woof')])
  sameBytes(first.out)
  assert.deepEqual([first.status, first.side], [0, 'on the side'])
  assert.deepEqual([second.status, String(second.out)], [127, 'woof'])

  const forwarded = await new Promise((resolve, reject) =>
    client.forwardOut('127.0.0.1', 1, 'web.test', 80, (error, stream) => (error ? reject(error) : resolve(stream))),
  )
  forwarded.end('GET / HTTP/1.0\r\n\r\n')
  assert.match(String(await readAll(forwarded)), /forwarded$/)
  client.end()
  await once(client, 'close')
  await t.close(server)
}
