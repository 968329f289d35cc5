// Sends a SYN to each of several addresses from one UDP socket, and says who answers.
//
//   shout.ts PORT ADDRESS…        says `answer ADDRESS`; `over` when told to end

import dgram from 'node:dgram'
import { createInterface } from 'node:readline'
import { encodeHeader, Flag, FrameKind, Segment, toSeq, writeChecksum, writeShim } from '../../../src/wire/index.ts'

const [port, ...addresses] = process.argv.slice(2)
const socket = dgram.createSocket('udp4')
socket.on('message', (_, { address }) => console.log(`answer ${address}`))
socket.bind(0, () => {
  socket.setBroadcast(true)
  const syn = new Segment()
  syn.srcPort = socket.address().port
  syn.dstPort = Number(port)
  syn.seq = toSeq(1)
  syn.flags = Flag.SYN
  syn.wnd = 65_535
  const datagram = Buffer.alloc(24)
  writeShim(datagram, 0, FrameKind.Segment, 20)
  encodeHeader(syn, datagram, 4)
  writeChecksum(datagram, 4, 24)
  const next = (): void => {
    const address = addresses.shift()
    if (address !== undefined) socket.send(datagram, Number(port), address, next)
  }
  next()
})
createInterface({ input: process.stdin }).on('line', () => {
  console.log('over')
  process.exit()
})
