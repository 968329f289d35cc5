// A server, and a client of it in a process of its own.
const { spawn } = require('node:child_process')
const { createServer } = require('node:net')
const { join } = require('node:path')

const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
server.listen(0, () => {
  const args = [join(__dirname, 'sends.cjs'), String(server.address().port), '50000']
  spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', () => server.close())
})
