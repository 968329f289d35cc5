import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import type { StackOptions } from '../../stack/index.ts'
import type { Seq } from '../../wire/index.ts'
import type { Experiment } from '../experiment.ts'
import type { Seen } from '../scene.ts'

// Sequence numbers that come round.

const SIZE = 400_000
const BELOW = 100_000
const TS_BELOW_MS = 100

/** Numbers that pass 2³² in the course of a transfer, and timestamps that do. */
const justBelow: NonNullable<StackOptions['numbers']> = {
  isn: () => -BELOW as Seq,
  timestampOffset: () => -TS_BELOW_MS as Seq,
}

/** Bytes that tell their places. */
const pattern = (size: number): Buffer => {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >> 8) * 13) & 255
  return bytes
}

export const seqWrap: Experiment = {
  name: 'seq-wrap',
  chapter: 'Retransmission',
  setting: 'a transfer of 400 KB begins 100,000 below 2³², over a path that loses 2 %; the timestamps pass 2³² too',
  shows: 'sequence numbers go on at 0; every byte arrives right',
  network: { delay: 10, loss: 0.02 },
  client: { numbers: justBelow },
  virtualOnly: true,
  async run(scene) {
    const sent = pattern(SIZE)
    const server = scene.listen(() => {})
    const socket = scene.connect()
    const [accepted] = await once(server, 'connection')
    socket.end(sent)
    const received = await buffer(accepted)
    accepted.end()
    const data = scene.seen.filter(({ from, length }: Seen) => from === 'client' && length > 0)
    const across = data.find(({ seq, length }) => seq + length >= 2 ** 32)
    scene.check(
      'it begins below 2³² and ends above 0',
      data[0].seq > 2 ** 31 && (data.at(-1)?.seq ?? 0) < SIZE,
      `${data[0].seq} … ${data.at(-1)?.seq}`,
    )
    scene.check('a segment reaches across', across !== undefined, `${across?.seq}, ${across?.length} bytes`)
    scene.check(
      'some were lost around it',
      data.some(({ lostBy }) => lostBy !== null),
    )
    scene.check('every byte is right', received.equals(sent), `${received.length} bytes`)
    scene.check('PAWS was not misled', scene.server.counters().PAWSEstab === 0)
  },
}

export const paws: Experiment = {
  name: 'paws',
  chapter: 'Retransmission',
  setting:
    'a segment of 4 GiB ago turns up when its sequence numbers are expected again: with timestamps, and on a copy of the connection without',
  shows:
    'the timestamp is older than the last one: it is dropped, answered by an ACK and counted (PAWSEstab); without timestamps its bytes are taken',
  network: { delay: 10 },
  virtualOnly: true,
  async run(scene) {
    for (const timestamps of [1, 0]) {
      const name = timestamps === 1 ? 'client' : 'client-plain'
      const title = timestamps === 1 ? 'with timestamps' : 'without'
      const host = scene.host(name)
      host.sysctl.set('tcp_timestamps', timestamps)
      let received = ''
      const port = 8000 + timestamps
      scene.server.net
        .createServer((socket) => {
          socket.on('error', () => {})
          socket.on('data', (data) => {
            received += data
          })
        })
        .listen(port)
      const socket = host.net.connect(port, 'server')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write('one ')
      await scene.pass(1)
      const last = scene.seen.findLast(({ from, length }) => from === name && length > 0) as Seen
      const [, value = '0', echo = '0'] = /TS val (\d+) ecr (\d+)/.exec(last.line) ?? []
      const before = scene.server.counters().PAWSEstab
      // What was sent at these numbers before they came round, so much earlier.
      scene.network.inject(name, 'server', {
        ...{ srcPort: last.srcPort, dstPort: last.dstPort, ack: true, psh: true },
        seq: (last.seq + last.length) >>> 0,
        ackNumber: last.ackNumber,
        payload: Buffer.from('old '),
        ...(timestamps === 1 && { timestamps: [Number(value) - 60_000, Number(echo)] as const }),
      })
      const from = scene.seen.length
      await scene.pass(1)
      const counted = scene.server.counters().PAWSEstab - before
      if (timestamps === 1) {
        scene.check(`${title}: it is counted`, counted === 1, `PAWSEstab ${counted}`)
        scene.check(
          `${title}: it is answered by an ACK of what is expected`,
          scene.seen[from]?.ackNumber === (last.seq + last.length) >>> 0,
        )
        socket.write('two ')
        await scene.pass(1)
        scene.check(`${title}: every byte is right`, received === 'one two ', JSON.stringify(received))
      } else
        scene.check(
          `${title}: it is taken for data`,
          received === 'one old ' && counted === 0,
          JSON.stringify(received),
        )
      socket.destroy()
      await scene.pass(1)
    }
  },
}
