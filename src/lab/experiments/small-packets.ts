import { once } from 'node:events'
import type { Experiment } from '../experiment.ts'
import type { Scene, Seen, Socket } from '../scene.ts'

const data = (seen: readonly Seen[], from: string): Seen[] => seen.filter((one) => one.from === from && one.length > 0)
const pureAcks = (seen: readonly Seen[]): Seen[] =>
  seen.filter(({ from, length, syn, fin }) => from === 'server' && length === 0 && !syn && !fin)

/** An answer to each request of so many bytes. */
function answering(socket: Socket, bytes: number): void {
  let waiting = 0
  socket.on('data', (data) => {
    waiting += data.length
    for (; waiting >= bytes; waiting -= bytes) socket.write('answer')
  })
}

/** Sends a request in one piece or several, and says how long the answer takes, ms. */
async function ask(scene: Scene, socket: Socket, ...pieces: string[]): Promise<number> {
  const beganMs = scene.network.now()
  const answer = once(socket, 'data')
  for (const piece of pieces) {
    socket.write(piece)
    // What is written at one time leaves together.
    await scene.pass(0.001)
  }
  await answer
  return scene.network.now() - beganMs
}

const RTT_MS = 100
const WRITES = 25

const nagle: Experiment = {
  name: 'nagle',
  chapter: 'Windows and small packets',
  setting:
    'a byte every 20 ms over a round trip of 100 ms, with Nagle and with setNoDelay; then requests in two pieces, head and body',
  shows:
    'with Nagle one segment a round trip, without one for each byte; and a body that waits for the ACK of its head, which waits for the answer',
  network: { delay: RTT_MS / 2 },
  async run(scene) {
    for (const noDelay of [false, true]) {
      const title = noDelay ? 'setNoDelay' : 'Nagle'
      scene.note(title)
      const port = noDelay ? 81 : 80
      const server = scene.server.net.createServer((socket) => socket.resume()).listen(port)
      const client = scene.client.net.connect({ port, host: 'server', noDelay })
      await once(client, 'connect')
      const from = scene.seen.length
      for (let i = 0; i < WRITES; i++) {
        client.write('.')
        await scene.pass(0.02)
      }
      await scene.pass(1)
      const sent = data(scene.seen.slice(from), 'client')
      const bytes = sent.map(({ length }) => length).join(' ')
      scene.check(
        `${title}: ${noDelay ? 'a segment for each byte' : 'a segment a round trip'}`,
        noDelay ? sent.length === WRITES : sent.length <= 2 + (WRITES * 20) / RTT_MS,
        `${sent.length}: ${bytes}`,
      )
      client.destroy()
      server.close()
      await scene.pass(1)
    }

    scene.note('requests in two pieces')
    const [client, server] = await scene.establish()
    answering(server, 8)
    const whole: number[] = []
    for (let i = 0; i < 3; i++) whole.push(await ask(scene, client, 'headbody'))
    scene.checkNumbers('in one piece: a round trip, ms', whole, [RTT_MS, RTT_MS, RTT_MS])
    const halves = await ask(scene, client, 'head', 'body')
    const stallMs = halves - 2 * RTT_MS
    scene.check(
      'in two, with Nagle: one more, and the 40 ms or so for which the server holds its ACK back',
      stallMs >= 39 && stallMs <= 201,
      `${halves.toFixed(0)} ms`,
    )
    client.setNoDelay(true)
    scene.checkNumbers(
      'in two, with setNoDelay: one round trip, ms',
      [await ask(scene, client, 'head', 'body')],
      [RTT_MS],
    )
    client.destroy()
  },
}

const delayedAck: Experiment = {
  name: 'delayed-ack',
  chapter: 'Windows and small packets',
  setting: 'single segments; then requests and answers; then a bulk transfer one way; then a lone segment',
  shows:
    'quick ACKs at first; ACKs that ride on answers; one for every second segment; and one that waits 40 to 200 ms',
  network: { delay: 5, rate: '10mbit' },
  async run(scene) {
    const [client, server] = await scene.establish({ noDelay: true })
    const mss = client.tcp.info()?.snd_mss ?? 0
    server.on('data', () => {})

    scene.note('single segments')
    let from = scene.seen.length
    for (let i = 0; i < 8; i++) {
      client.write(Buffer.alloc(mss))
      await scene.pass(0.03)
    }
    let seen = scene.seen.slice(from)
    scene.checkIs('quick: of 8 segments, acknowledged at once', waits(seen).filter((ms) => ms < 1).length, 8)

    scene.note('requests and answers')
    answering(server, 7)
    await ask(scene, client, 'request')
    await scene.pass(0.001)
    from = scene.seen.length
    for (let i = 0; i < 8; i++) await ask(scene, client, 'request')
    seen = scene.seen.slice(from)
    const answers = data(seen, 'server')
    const rides = answers.filter(({ ackNumber }, i) => i === 0 || ackNumber !== answers[i - 1]?.ackNumber)
    scene.checkIs('in ping-pong: answers that acknowledge their request', rides.length, 8)
    scene.checkIs('in ping-pong: ACKs by themselves', pureAcks(seen).length, 0)

    scene.note('bulk')
    server.removeAllListeners('data')
    server.resume()
    await scene.pass(1)
    // Until the quick ones are spent.
    client.write(Buffer.alloc(60 * mss))
    await scene.pass(1)
    from = scene.seen.length
    client.write(Buffer.alloc(100 * mss))
    await scene.pass(1)
    seen = scene.seen.slice(from)
    const acks = pureAcks(seen).length
    scene.check(
      'in bulk: an ACK for every second segment',
      acks >= 48 && acks <= 60,
      `${acks} for ${data(seen, 'client').length}`,
    )

    scene.note('a lone segment')
    from = scene.seen.length
    client.write(Buffer.alloc(mss))
    await scene.pass(1)
    scene.table()
    const [wait] = waits(scene.seen.slice(from))
    scene.check(
      'a lone one: after 40 to 200 ms',
      wait !== undefined && wait >= 39 && wait <= 201,
      `${wait?.toFixed(1)} ms`,
    )
    scene.check('DelayedACKs', scene.server.counters().DelayedACKs > 0, String(scene.server.counters().DelayedACKs))
  },
}

/** How long after its arrival each segment of the client is acknowledged, ms. */
function waits(seen: readonly Seen[]): number[] {
  return data(seen, 'client').map(({ time, seq, length }) => {
    const ack = seen.find((one) => one.from === 'server' && ((one.ackNumber - seq) | 0) >= length)
    return (ack?.time ?? Infinity) - time - 5 - ((length + 52) * 8) / 10_000
  })
}

export const smallPackets: readonly Experiment[] = [nagle, delayedAck]
