// An HTTP server in two workers of a cluster, until standard input ends.
const cluster = require('node:cluster')
const { createServer } = require('node:http')
const { createServer: createNetServer } = require('node:net')

if (cluster.isPrimary) {
  // Some port that is free.
  const probe = createNetServer().listen(0, () => {
    const { port } = probe.address()
    probe.close(() => {
      for (const _ of [1, 2]) cluster.fork({ PORT: String(port) })
    })
  })
  const said = []
  cluster.on('listening', (worker, { port }) => {
    said.push(worker.id)
    if (new Set(said).size === 2) console.log('listening', port)
  })
  process.stdin
    .once('end', () => {
      console.log('said by', said.sort().join())
      cluster.disconnect()
    })
    .resume()
} else {
  const server = createServer((req, res) => {
    res.setHeader('connection', 'close').end(JSON.stringify({ length: req.rawTrailers.length }))
  })
  server.listen(Number(process.env.PORT))
}
