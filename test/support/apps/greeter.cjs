// An HTTP server as frameworks make it: says who asks, and ends when told to.
const { createServer } = require('node:http')

const server = createServer((req, res) => {
  let length = 0
  req.on('data', (piece) => {
    length += piece.length
  })
  req.on('end', () => {
    const { remoteAddress, remotePort } = req.socket
    res.end(JSON.stringify({ remoteAddress, remotePort, length }))
    if (req.url !== '/quit') return
    server.close(() => {
      process.exitCode = 3
    })
    server.closeIdleConnections()
  })
})
server.listen(Number(process.argv[2] ?? 0), () => console.log('listening', server.address().port))
