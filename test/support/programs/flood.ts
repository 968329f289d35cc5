/**
 * Throws SYNs at a port of 127.0.0.1 from many UDP ports, each from a TCP port of its own, and answers nothing: `flood.ts PORT COUNT`. Says
 * `flooding` when it begins, `thrown` when the last has left, and `bytes SENT RECEIVED`, headers included, when it is told to go.
 */
import { createSocket, type Socket } from 'node:dgram'
import { createInterface } from 'node:readline'
import {
  encodeHeader,
  Flag,
  FrameKind,
  optionsLength,
  Segment,
  toSeq,
  writeChecksum,
  writeShim,
} from '../../../src/wire/index.ts'

const [port, count] = process.argv.slice(2).map(Number) as [number, number]
const SOCKETS = 400
const SHIM = 4
/** IPv4 and UDP. */
const OUTER = 28
/** Sends under way at once: what dgram has not handed over it would keep. */
const AT_ONCE = 256

let sent = 0
let bytesSent = 0
let bytesReceived = 0
const seg = new Segment()

function syn(number: number): Buffer {
  seg.reset()
  seg.srcPort = 1024 + Math.floor(number / SOCKETS)
  seg.dstPort = port
  seg.flags = Flag.SYN
  seg.seq = toSeq(number * 7919)
  seg.wnd = 65_535
  seg.mss = 1448
  seg.wscale = 7
  seg.sackPermitted = true
  seg.hasTimestamps = true
  seg.tsVal = toSeq(number)
  seg.tsEcr = toSeq(0)
  const length = optionsLength(seg) + 20
  const buffer = Buffer.alloc(SHIM + length)
  writeShim(buffer, 0, FrameKind.Segment, length)
  encodeHeader(seg, buffer, SHIM)
  writeChecksum(buffer, SHIM, SHIM + length)
  return buffer
}

const sockets: Socket[] = []
for (let i = 0; i < SOCKETS; i++) {
  const socket = createSocket('udp4')
  socket.on('message', (message) => {
    bytesReceived += OUTER + message.length
  })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  sockets.push(socket)
}

console.log('flooding')
while (sent < count) {
  const round: Promise<void>[] = []
  for (let i = 0; i < AT_ONCE && sent < count; i++) {
    const datagram = syn(sent)
    bytesSent += OUTER + datagram.length
    const socket = sockets[sent++ % SOCKETS] as Socket
    round.push(new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', () => resolve())))
  }
  await Promise.all(round)
}
console.log('thrown')
createInterface({ input: process.stdin }).on('line', () => {
  console.log(`bytes ${bytesSent} ${bytesReceived}`)
  process.exit()
})
