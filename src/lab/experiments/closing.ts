import { once } from 'node:events'
import type { Experiment } from '../experiment.ts'
import type { Scene, Seen, Socket } from '../scene.ts'

const MINUTE = 60
const HOUR = 3600

/** From `from` on, the segments that are no data, in short: `client F`, `server A`. */
const closing = (scene: Scene, from: number): string =>
  scene.seen
    .slice(from)
    .map((segment) => `${segment.from} ${kindOf(segment)}`)
    .join(', ')

const kindOf = ({ fin, rst, ack }: Seen): string => (rst ? 'RST' : fin ? 'FIN' : ack ? 'ACK' : '?')

/** Where the connections of both hosts are. */
const where = (scene: Scene): string =>
  [scene.client, scene.server].map((host) => scene.connections(host)[0]?.state ?? 'gone').join(' ')

const fourWayClose: Experiment = {
  name: 'four-way-close',
  chapter: 'Closing',
  setting: 'the client ends; the server ends a second later',
  shows: 'four segments: FIN, ACK, FIN, ACK; FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT there, CLOSE_WAIT, LAST_ACK here',
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish()
    const [ours, theirs] = [scene.states(scene.client), scene.states(scene.server)]
    client.resume()
    await scene.pass(1)
    const from = scene.seen.length
    client.end()
    await once(server, 'end')
    scene.table()
    await scene.pass(1)
    scene.table()
    scene.checkIs('a second after the first FIN the states are', where(scene), 'FIN_WAIT2 CLOSE_WAIT')
    server.end()
    await scene.pass(1)
    scene.table()
    scene.checkIs('four segments', closing(scene, from), 'client FIN, server ACK, server FIN, client ACK')
    scene.checkIs('the client goes through', ours.join(' '), 'FIN_WAIT1 FIN_WAIT2 TIME_WAIT')
    scene.checkIs('the server goes through', theirs.join(' '), 'CLOSE_WAIT LAST_ACK CLOSE')
    scene.checkIs('what is left', where(scene), 'TIME_WAIT gone')
  },
}

const threeSegmentClose: Experiment = {
  name: 'three-segment-close',
  chapter: 'Closing',
  setting: 'the client sends its last words with its FIN; the server ends in the moment in which it reads them',
  shows: "three segments: FIN, FIN with the first one's ACK, ACK; the client spends no time in FIN_WAIT_2",
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish()
    const [ours, theirs] = [scene.states(scene.client), scene.states(scene.server)]
    // Not when it hears of the FIN: by then the ACK has left.
    server.on('data', () => server.end())
    client.resume()
    await scene.pass(1)
    const from = scene.seen.length
    client.end('goodbye')
    await scene.pass(1)
    scene.table()
    scene.checkIs('three segments', closing(scene, from), 'client FIN, server FIN, client ACK')
    const [fin, answer] = scene.seen.slice(from)
    scene.check('the second acknowledges the first', answer.ackNumber === (fin.seq + fin.length + 1) >>> 0)
    scene.checkIs('the client goes through', ours.join(' '), 'FIN_WAIT1 FIN_WAIT2 TIME_WAIT')
    scene.checkIs('the server goes through', theirs.join(' '), 'CLOSE_WAIT LAST_ACK CLOSE')
  },
}

const halfClose: Experiment = {
  name: 'half-close',
  chapter: 'Closing',
  setting: 'the client ends its side, with allowHalfOpen; the server goes on sending for two hours',
  shows: 'data flows after our FIN, and FIN_WAIT_2 lasts as long as it takes: tcp_fin_timeout is for orphans',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish({ allowHalfOpen: true })
    let received = 0
    client.on('data', (data) => {
      received += data.length
    })
    client.end('question')
    await once(server, 'end')
    const from = scene.seen.length
    for (let i = 0; i < 8; i++) {
      server.write(Buffer.alloc(1000))
      await scene.pass(15 * MINUTE)
    }
    scene.table()
    scene.checkIs('after two hours', where(scene), 'FIN_WAIT2 CLOSE_WAIT')
    scene.checkIs('bytes that came after our FIN', received, 8000)
    const late = scene.seen.slice(from).filter((segment) => segment.from === 'client')
    scene.check(
      'all that the client sends is acknowledgements',
      late.length > 0 && late.every(({ length, fin }) => length === 0 && !fin),
      String(late.length),
    )
    server.end()
    await scene.pass(1)
    scene.checkIs('then the server ends', where(scene), 'TIME_WAIT gone')
  },
}

const closeWait: Experiment = {
  name: 'close-wait',
  chapter: 'Closing',
  setting: 'the client ends; the application at the server never does',
  shows: 'CLOSE_WAIT stays for ever; only when the server closes is there a FIN',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish({ allowHalfOpen: true })
    client.resume()
    client.end()
    await once(server, 'end')
    const before = scene.seen.length
    await scene.pass(3 * HOUR)
    scene.table()
    scene.checkIs('three hours later', where(scene), 'FIN_WAIT2 CLOSE_WAIT')
    const found = scene.connections(scene.server)[0]
    scene.check('and no timer runs that would end it', found?.timer === null)
    scene.checkIs('nor was anything sent', scene.seen.slice(before).filter(({ from }) => from === 'server').length, 0)
    server.end()
    await scene.pass(1)
    scene.checkIs('the server closes', closing(scene, before), 'server FIN, client ACK')
    scene.checkIs('what is left', where(scene), 'TIME_WAIT gone')
  },
}

const shutdownRead: Experiment = {
  name: 'shutdown-read',
  chapter: 'Closing',
  setting: 'the server shuts its reading side down (SHUT_RD); the client sends 100 KB',
  shows: 'all of it is acknowledged and thrown away, and the client hears nothing of it',
  network: { delay: 10 },
  async run(scene) {
    const received: number[] = []
    const [client, server] = await scene.establish()
    server.on('data', (data) => received.push(data.length))
    server.tcp.shutdownRead()
    await scene.pass(0.1)
    const from = scene.seen.length
    client.write(Buffer.alloc(100_000))
    await scene.pass(2)
    scene.table()
    const info = client.tcp.info()
    scene.checkIs('bytes acknowledged', info?.bytes_acked ?? 0, 100_000)
    const [here] = scene.connections(scene.server)
    scene.checkIs('Recv-Q at the server', here?.recvQ ?? -1, 0)
    scene.checkIs('bytes that the application got', received.length, 0)
    const answers = scene.seen.slice(from).filter(({ from }) => from === 'server')
    scene.check(
      'the server sends nothing but acknowledgements',
      answers.every(({ fin, rst, length }) => !fin && !rst && length === 0),
      String(answers.length),
    )
    scene.checkIs('and the connection stays', where(scene), 'ESTABLISHED ESTABLISHED')
    server.write('still here')
    const [answer] = await once(client, 'data')
    scene.checkIs('the other direction is untouched', String(answer), 'still here')
  },
}

const simultaneousClose: Experiment = {
  name: 'simultaneous-close',
  chapter: 'Closing',
  setting: 'both sides end in the same moment',
  shows: 'the FINs cross; both go from FIN_WAIT_1 by way of CLOSING to TIME_WAIT',
  virtualOnly: true,
  network: { delay: 50 },
  async run(scene) {
    const [client, server] = await scene.establish()
    for (const socket of [client, server]) socket.resume()
    await scene.pass(1)
    const states = [scene.states(scene.client), scene.states(scene.server)]
    const from = scene.seen.length
    client.end()
    server.end()
    await scene.pass(0.075)
    scene.table()
    scene.checkIs('when the FINs have crossed', where(scene), 'CLOSING CLOSING')
    await scene.pass(1)
    scene.table()
    scene.checkIs('both go through', states.map((all) => all.join(' ')).join('; '), `${CROSSED}; ${CROSSED}`)
    const fins = scene.seen.slice(from).filter(({ fin }) => fin)
    scene.checkIs('FINs', fins.length, 2)
    scene.check('neither acknowledges the other', fins[0]?.time === fins[1]?.time)
    await scene.pass(61)
    scene.checkIs('and a minute later', where(scene), 'gone gone')
  },
}
const CROSSED = 'FIN_WAIT1 CLOSING TIME_WAIT'

const lingerRst: Experiment = {
  name: 'linger-rst',
  chapter: 'Closing',
  setting: 'a close with linger 0; a close with data that nobody has read',
  shows: 'both are a RST: no TIME_WAIT, and the peer gets ECONNRESET',
  network: { delay: 10 },
  async run(scene) {
    scene.note('linger 0')
    const [client, server] = await scene.establish()
    await scene.pass(0.1)
    let from = scene.seen.length
    const first = scene.outcome(server)
    client.tcp.linger = 0
    client.destroy()
    scene.checkIs('linger 0: the peer gets', await first, 'ECONNRESET')
    scene.checkIs('linger 0: what is sent', closing(scene, from), 'client RST')
    scene.checkIs('linger 0: what is left', where(scene), 'gone gone')

    scene.note('unread data')
    const listener = scene.server.net.createServer({ pauseOnConnect: true }).listen(81)
    const second = scene.client.net.connect(81, 'server')
    const [accepted] = (await once(listener, 'connection')) as [Socket]
    const outcome = scene.outcome(second)
    second.write('who reads this?')
    await scene.pass(1)
    scene.table()
    scene.checkIs('unread data: Recv-Q', scene.connections(scene.server)[0]?.recvQ ?? 0, 15)
    from = scene.seen.length
    accepted.destroy()
    scene.checkIs('unread data: the peer gets', await outcome, 'ECONNRESET')
    scene.checkIs('unread data: what is sent', closing(scene, from), 'server RST')
    scene.checkIs('unread data: what is left', where(scene), 'gone gone')
    scene.checkIs('unread data: TCPAbortOnClose', scene.server.counters().TCPAbortOnClose, 1)
    listener.close()
  },
}

const crash: Experiment = {
  name: 'crash',
  chapter: 'Closing',
  setting:
    'the server loses a connection without a word, as a machine does that was switched off and on; then its process dies',
  shows:
    'the client notices nothing for an hour; then what it sends draws a RST, and a closed port does it too: ECONNRESET',
  virtualOnly: true,
  network: { delay: 10 },
  async run(scene) {
    const [client, server] = await scene.establish()
    client.resume()
    await scene.pass(1)
    // The RST that the stack would send is what a machine without power does not.
    scene.network.partition()
    server.resetAndDestroy()
    await scene.pass(0.1)
    scene.network.heal()
    await scene.pass(HOUR)
    scene.table()
    scene.checkIs('an hour later, switched on again', where(scene), 'ESTABLISHED gone')
    const from = scene.seen.length
    const outcome = scene.outcome(client)
    client.write('are you there?')
    scene.checkIs('the next segment ends it', await outcome, 'ECONNRESET')
    scene.checkIs('what is sent', closing(scene, from), 'client ACK, server RST')

    scene.note('the process dies, and its port is closed')
    const second = scene.connect()
    await once(second, 'connect')
    second.resume()
    await scene.pass(1)
    scene.server.kill()
    await scene.pass(1)
    const beganMs = scene.network.now()
    const end = scene.outcome(second)
    second.write('and you?')
    scene.checkIs('the next segments end it too', await end, 'ECONNRESET')
    const tookMs = scene.network.now() - beganMs
    scene.check('without waiting for a timeout', tookMs < 5000, `${tookMs.toFixed(0)} ms`)
  },
}

export const handshakesOfClosing: readonly Experiment[] = [
  fourWayClose,
  threeSegmentClose,
  halfClose,
  closeWait,
  shutdownRead,
  simultaneousClose,
  lingerRst,
]
export { crash }
