import assert from 'node:assert/strict'
import grpc from '@grpc/grpc-js'
import { connectFront } from '../fronts.js'
import { big, sameBytes } from '../kit.js'

export const packageName = '@grpc/grpc-js'
export const inject =
  "the server's `createConnectionInjector`; the client has no option: `grpc_proxy`, a CONNECT proxy that goes on by sluice"
export const front = true

const bytes = {
  requestSerialize: (b) => b,
  requestDeserialize: (b) => b,
  responseSerialize: (b) => b,
  responseDeserialize: (b) => b,
}
const service = {
  echo: { path: '/test.Test/Echo', requestStream: false, responseStream: false, ...bytes },
  chat: { path: '/test.Test/Chat', requestStream: true, responseStream: true, ...bytes },
}

export default async function (t) {
  const limits = { 'grpc.max_receive_message_length': 10 << 20 }
  const server = new grpc.Server(limits)
  server.addService(service, {
    echo: (call, done) => {
      if (call.request.length === 0) done({ code: grpc.status.INVALID_ARGUMENT, details: 'nothing' })
      else done(null, call.request)
    },
    chat: (call) => {
      call.on('data', (message) => call.write(message))
      call.on('end', () => call.end())
    },
  })
  const credentials = grpc.ServerCredentials.createInsecure()
  let port
  let proxy
  const door = {}
  if (t.injected) {
    const injector = server.createConnectionInjector(credentials)
    port = await t.listen(door, (socket) => injector.injectConnection(socket))
    proxy = await connectFront(t.connect)
    process.env.grpc_proxy = `http://127.0.0.1:${proxy.port}`
  } else {
    port = await new Promise((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    )
  }
  const Client = grpc.makeGenericClientConstructor(service, 'Test')
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), limits)
  const echo = (message) =>
    new Promise((resolve, reject) => client.echo(message, (error, answer) => (error ? reject(error) : resolve(answer))))
  sameBytes(await echo(big))
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => echo(Buffer.from(String(n)))))
  assert.deepEqual(answers.map(Number), [...Array(50).keys()])
  await assert.rejects(echo(Buffer.alloc(0)), { code: grpc.status.INVALID_ARGUMENT, details: 'nothing' })

  const chat = client.chat()
  for (let n = 0; n < 100; n++) chat.write(Buffer.from(String(n)))
  chat.end()
  assert.deepEqual((await chat.toArray()).map(Number), [...Array(100).keys()])
  client.close()
  await new Promise((resolve) => server.tryShutdown(resolve))
  proxy?.close()
  if (t.injected) await t.close(door)
}
