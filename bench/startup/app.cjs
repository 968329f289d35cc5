'use strict'
const { createServer } = require('node:http')

const server = createServer((_request, response) => response.end('hello'))
server.listen(0, '127.0.0.1', async () => {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`)
  if ((await response.text()) !== 'hello') throw new Error('no answer')
  process.exit()
})
