// A worker of a cluster listens as the arguments say, PORT being one that is free; the primary says how often it heard of that.
const cluster = require('node:cluster')
const { createServer } = require('node:net')

if (cluster.isPrimary) {
  const probe = createServer().listen(0, () => {
    const { port } = probe.address()
    probe.close(() => watch(cluster.fork({ PORT: String(port) })))
  })
} else {
  // When both the callback and the primary's event have come, so has all that was on its way before them.
  let missing = 2
  process.on('message', () => {
    if (--missing === 0) process.disconnect()
  })
  const wish = process.argv.slice(2).map((word) => word.replace('PORT', process.env.PORT))
  createServer().listen(...wish, () => process.send('up'))
}

function watch(worker) {
  let heard = 0
  const tell = () => worker.send('one more')
  cluster.on('listening', () => {
    heard++
    tell()
  })
  worker.on('message', tell)
  // Whoever gives up waiting for it leaves nothing behind.
  process.stdin.once('end', () => worker.kill()).resume()
  worker.on('exit', () => {
    console.log('heard', heard)
    process.stdin.destroy()
  })
}
