import { beforeEach, describe, expect, it } from 'vitest'
import type { Ends } from '../../../src/observe/tracer.ts'
import { Watch } from '../../../src/run/watch.ts'
import { Flag } from '../../../src/wire/index.ts'

const ENDS: Ends = {
  family: 'IPv4',
  localAddress: '10.0.0.1',
  localPort: 4000,
  remoteAddress: '10.0.0.2',
  remotePort: 80,
}
const { SYN, ACK, FIN, RST } = Flag

function segment(ports: [number, number], seq: number, ack: number, flags: number, length = 0): Buffer {
  const bytes = Buffer.alloc(20 + length)
  bytes.writeUInt16BE(ports[0], 0)
  bytes.writeUInt16BE(ports[1], 2)
  bytes.writeUInt32BE(seq >>> 0, 4)
  bytes.writeUInt32BE(ack >>> 0, 8)
  bytes[12] = 5 << 4
  bytes[13] = flags
  return bytes
}

let watch: Watch
beforeEach(() => {
  watch = new Watch()
})
const sent = (now: number, seq: number, ack: number, flags: number, length = 0): void => {
  const bytes = segment([4000, 80], seq, ack, flags, length)
  watch.frameSent(now, ENDS, bytes, 0, bytes.length)
}
const received = (now: number, seq: number, ack: number, flags: number, length = 0): void => {
  const bytes = segment([80, 4000], seq, ack, flags, length)
  watch.frameReceived(now, ENDS, bytes, 0, bytes.length)
}

/** Where sequence numbers are about to wrap. */
const FIRST = 0xffff_ff00
const PEERS = 500

function handshake(): void {
  sent(0, FIRST, 0, SYN)
  received(100, PEERS, FIRST + 1, SYN | ACK)
  sent(100, FIRST + 1, PEERS + 1, ACK)
}

describe('the watch on a host', () => {
  it('counts bytes both ways, and neither SYN nor FIN as one', () => {
    handshake()
    sent(200, FIRST + 1, PEERS + 1, ACK, 1000)
    received(350, PEERS + 1, FIRST + 1001, ACK, 300)
    sent(360, FIRST + 1001, PEERS + 301, ACK | FIN)
    received(500, PEERS + 301, FIRST + 1002, ACK | FIN)
    sent(510, FIRST + 1002, PEERS + 302, ACK)
    const [one] = watch.summary()
    expect(one).toMatchObject({
      destination: '10.0.0.2:80',
      opened: { connections: 1, bytesUp: 1000, bytesDown: 300, resets: 0 },
      accepted: { connections: 0 },
      sentBytes: 1000,
      segments: 3,
      retransmissions: 0,
      rttUs: [100, 150, 140],
    })
  })

  it('tells what is sent again, does not time it, and measures how long all stood still', () => {
    handshake()
    sent(200, FIRST + 1, PEERS + 1, ACK, 1000)
    sent(1200, FIRST + 1, PEERS + 1, ACK, 1000)
    received(1300, PEERS + 1, FIRST + 1001, ACK)
    const [one] = watch.summary()
    expect(one).toMatchObject({ segments: 3, retransmissions: 1, worstStallUs: 1100, busyUs: 1200, rttUs: [100] })
  })

  it('counts as sent what impairment lost at once', () => {
    handshake()
    const bytes = segment([4000, 80], FIRST + 1, PEERS + 1, ACK, 10)
    const verdict = { fate: 'dropped', by: 'loss', index: 2, copy: 0, connection: 0, delayedUs: 0 } as const
    const rest = { corrupted: false, marked: false, reordered: false, injected: false }
    watch.frameImpaired(200, ENDS, true, bytes, 0, bytes.length, { ...verdict, ...rest })
    sent(400, FIRST + 1, PEERS + 1, ACK, 10)
    expect(watch.summary()[0]).toMatchObject({ segments: 3, retransmissions: 1 })
  })

  it('counts a reset once, and a connection to us by our own address', () => {
    received(0, PEERS, 0, SYN)
    sent(0, FIRST, PEERS + 1, SYN | ACK)
    received(100, PEERS + 1, FIRST + 1, ACK)
    received(200, PEERS + 1, FIRST + 1, RST)
    sent(200, FIRST + 1, PEERS + 1, RST)
    expect(watch.summary()[0]).toMatchObject({
      destination: '10.0.0.1:4000',
      opened: { connections: 0 },
      accepted: { connections: 1, resets: 1 },
    })
  })
})
