// Tells what of sluice is loaded at the start, and once it has served; with timers that somebody has stopped between.
const net = require('node:net')
const timers = require('node:timers')

const tell = (when) => {
  const names = Object.keys(require.cache).map((path) => path.replaceAll('\\', '/').replace(/.*\//, ''))
  const parts = ['net.cjs', 'stack.cjs', 'impair.cjs', 'observe.cjs'].filter((name) => names.includes(name))
  process.stdout.write(`${when}: ${parts.join(' ') || 'nothing'}\n`)
}

tell('start')
timers.setTimeout = timers.setImmediate = () => {
  throw new Error('a timer of the program')
}
performance.now = () => 0
const server = net.createServer((socket) => socket.end('hello'))
server.listen(0, '127.0.0.1', () => {
  net
    .connect(server.address().port, '127.0.0.1')
    .on('data', (data) => {
      tell(data)
    })
    .on('close', () => server.close())
})
