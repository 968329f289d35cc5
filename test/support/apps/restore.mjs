// Registers and unregisters, and looks at everything that could have changed.
import http from 'node:http'
import https from 'node:https'
import nodeModule from 'node:module'
import net, * as named from 'node:net'
import tls from 'node:tls'

const objects = {
  ...{ net, tls, agent: http.Agent.prototype, secureAgent: https.Agent.prototype, module: nodeModule },
  ...{ socket: net.Socket.prototype, server: net.Server.prototype, secure: tls.TLSSocket.prototype },
  child: process.getBuiltinModule('node:child_process').ChildProcess.prototype,
}
const look = () =>
  Object.values(objects).map((object) => [
    Reflect.ownKeys(object),
    Reflect.ownKeys(object).map((key) => Object.getOwnPropertyDescriptor(object, key)),
  ])
const flat = (looks) => looks.flatMap(([keys, how]) => [...keys, ...how.flatMap((one) => Object.values(one))])
const same = (one, other) => {
  const [a, b] = [flat(one), flat(other)]
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
}

const before = look()
const { connect } = named
const { register, unregister } = await import(process.env.REGISTER)
console.log('changed', !same(before, look()) && named.connect !== connect)
const kept = net.connect
unregister()
console.log('restored', same(before, look()) && named.connect === connect)
register({ except: '1' })
register()
const server = http
  .createServer((_req, res) => res.end())
  .listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    http.get({ port, host: '127.0.0.1' }, (res) => {
      res.resume().on('end', () =>
        setImmediate(() => {
          const free = Object.values(http.globalAgent.freeSockets).flat()
          unregister()
          console.log('again', same(before, look()))
          console.log('free sockets gone', free.length === 1 && free.every((socket) => socket.destroyed))
          server.close()
          const socket = kept(1, '127.0.0.1').on('error', () => {})
          console.log('kept connect is of node', socket instanceof net.Socket)
        }),
      )
    })
  })
