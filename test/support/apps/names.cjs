// Two names for two addresses, on each of which somebody listens; connected to in each way.
const net = require('node:net')

const addresses = { 'one.test': '127.0.0.1', 'two.test': '127.0.0.2' }
const lookup = (host, { all }, callback) => {
  const address = addresses[host]
  if (all) callback(null, [{ address, family: 4 }])
  else callback(null, address, 4)
}
const serve = (address) =>
  new Promise((resolve) => {
    const server = net.createServer((socket) => socket.end('hello')).listen(0, address, () => resolve(server))
  })
const visit = (host, server, socket) =>
  new Promise((resolve) => {
    socket = socket(server.address().port, host)
    socket.setEncoding('utf8').on('data', (text) => console.log(host, text))
    socket.on('close', resolve)
  })

async function main() {
  const one = await serve('127.0.0.1')
  const two = await serve('127.0.0.2')
  await visit('one.test', one, (port, host) => net.connect({ port, host, lookup }))
  await visit('two.test', two, (port, host) => net.connect({ port, host, lookup }))
  await visit('two.test', two, (port, host) => new net.Socket().connect({ port, host, lookup }))
  one.close()
  two.close()
}
main()
