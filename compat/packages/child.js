// Runs one case, in a process of its own: node [--import sluice/register] child.js CASE inject|swap|node, with an IPC channel to the runner.
import { createHook } from 'node:async_hooks'
import { once } from 'node:events'

const [, , name, mode] = process.argv

// Of the kernel's own TCP there shall be nothing: each such socket and server has one of these.
const kernelSockets = []
createHook({
  init(_id, type) {
    if (type === 'TCPCONNECTWRAP' || type === 'TCPSERVERWRAP') kernelSockets.push(new Error().stack)
  },
}).enable()

/** How long the process may take to end when the case has closed all that it opened. */
const PATIENCE = 10_000

const waiting = new Map()
process.on('message', ({ asked, value, missing }) => {
  const { resolve, reject } = waiting.get(asked)
  waiting.delete(asked)
  if (waiting.size === 0) process.channel.unref()
  if (missing === undefined) resolve(value)
  else reject(Object.assign(new Error(missing), { missing }))
})
process.channel.unref()

/** Of the runner: a real server, by the port where sluice reaches it, or the certificate. */
function ask(asked) {
  process.channel.ref()
  return new Promise((resolve, reject) => {
    waiting.set(asked, { resolve, reject })
    process.send({ asked })
  })
}

const injected = mode === 'inject'
const net = injected ? (await import('sluice')).default : undefined
/** Where an injected server's connections come in. */
const doors = new Map()

const context = {
  injected,
  /** sluice's net, by injection only. */
  net,
  /** What options named createConnection and connect want. */
  connect: (options) => net.connect(options),
  /** A connected socket. */
  async connected(port, host = '127.0.0.1') {
    const socket = net.connect(port, host)
    await once(socket, 'connect')
    return socket
  },
  /** Lets a server of the program listen: by itself when sluice is registered, else behind one of sluice's. Gives the port. */
  async listen(server, accept = (socket) => server.emit('connection', socket)) {
    const door = injected ? net.createServer(accept) : server
    if (injected) doors.set(server, door)
    door.listen(0, '127.0.0.1')
    await once(injected ? door : (server._srv ?? server), 'listening')
    return door.address().port
  },
  close(server) {
    server.closeIdleConnections?.()
    return new Promise((resolve) => (doors.get(server) ?? server).close(resolve))
  },
  server: ask,
  certificate: () => ask('certificate'),
}

const program = await import(`./cases/${name}.js`)
const { inject, swap, note, packageName, front } = program
const report = { inject, swap, note, packageName, node: process.version }
try {
  await program.default(context)
  if (mode === 'swap' || (injected && !front)) {
    if (kernelSockets.length > 0) throw new Error(`opened TCP sockets of the kernel: ${kernelSockets.join('\n')}`)
  }
  report.result = 'pass'
} catch (error) {
  report.result = error.missing === undefined ? 'fail' : 'skip'
  report.reason = error.missing ?? error.stack
}
process.send(report)
setTimeout(() => {
  process.send({ alive: process.getActiveResourcesInfo() })
  setImmediate(() => process.exit(1))
}, PATIENCE).unref()
