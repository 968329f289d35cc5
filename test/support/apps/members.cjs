// Workers of a cluster on one port. Clients come from many addresses, and each worker gets some of them.
const cluster = require('node:cluster')
const http = require('node:http')

const WORKERS = 3
const port = Number(process.env.PORT)

function ask(localAddress) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, localAddress, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (piece) => {
        text += piece
      })
      res.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}

async function main() {
  const seen = new Set()
  for (let i = 2; i < 42; i++) seen.add(await ask(`127.0.0.${i}`))
  console.log('workers seen', seen.size)
  cluster.disconnect(() => console.log('all gone'))
}

if (cluster.isPrimary) {
  for (let i = 0; i < WORKERS; i++) cluster.fork()
  let listening = 0
  cluster.on('listening', (worker, address) => {
    if (address.port === port && worker.isConnected() && ++listening === WORKERS) main()
  })
} else {
  http.createServer((_req, res) => res.end(String(process.pid))).listen(port, '127.0.0.1')
}
