// Sends bytes to a port of this machine, and says whether they came back the same.
const { randomBytes } = require('node:crypto')
const { connect } = require('node:net')

const data = randomBytes(Number(process.argv[3]))
const socket = connect(Number(process.argv[2]), '127.0.0.1')
const pieces = []
socket.on('connect', () => console.log('peer', socket.remoteAddress, socket.remotePort))
socket.on('error', ({ code, syscall, address, port }) => console.log('error', code, syscall, address, port))
socket.on('data', (piece) => pieces.push(piece))
socket.on('close', () => console.log('same', Buffer.concat(pieces).equals(data)))
socket.end(data)
