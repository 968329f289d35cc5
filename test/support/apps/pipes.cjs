// What is no TCP: Unix domain sockets, the pipes of child processes, an IPC channel, standard output.
const { execFileSync, fork, spawn } = require('node:child_process')
const { join } = require('node:path')
const net = require('node:net')

if (process.argv[2] === 'child') {
  process.on('message', (message) => process.send({ echo: message }, () => process.disconnect()))
} else {
  const path = join(process.env.FOLDER, `${process.pid}.sock`)
  const server = net
    .createServer((socket) => socket.end('by pipe'))
    .listen(path, () => {
      console.log('address', server.address() === path)
      let text = ''
      const socket = new net.Socket().connect(path)
      socket.on('data', (data) => {
        text += data
      })
      socket.on('close', () => {
        console.log(text, socket instanceof net.Socket)
        net
          .connect(path)
          .resume()
          .on('close', () => server.close(children))
      })
    })
}

function children() {
  const cat = spawn('cat')
  cat.stdout.setEncoding('utf8').on('data', (text) => console.log('cat', text, cat.stdin instanceof net.Socket))
  cat.on('close', (code) => {
    console.log('cat ended', code)
    console.log('exec', String(execFileSync(process.execPath, ['-e', 'console.log(6 * 7)'])).trim())
    const child = fork(__filename, ['child'])
    child.on('message', (message) => console.log('message', message))
    child.on('exit', (code) => console.log('child ended', code))
    child.send('hello')
  })
  cat.stdin.end('through a pipe')
}
