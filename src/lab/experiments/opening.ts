import { once } from 'node:events'
import type { Experiment } from '../experiment.ts'
import type { Seen } from '../scene.ts'
import { synQueueOverflow } from './syn-flood.ts'

const isSyn = (segment: Seen): boolean => segment.syn && !segment.ack
const isSynAck = (segment: Seen): boolean => segment.syn && segment.ack

/** The times of a SYN and its retransmissions with backoff, and when all is given up. */
const doubling = (count: number): number[] => Array.from({ length: count }, (_, i) => 2 ** i - 1)

const handshake: Experiment = {
  name: 'handshake',
  chapter: 'Opening',
  setting: 'a client connects to a server; nothing is impaired',
  shows: 'SYN, SYN-ACK, ACK, with mss, sackOK, timestamps and window scaling; the states of both sides',
  network: { delay: 10 },
  async run(scene) {
    const states = scene.states(scene.client)
    await scene.establish()
    await scene.pass(1)
    scene.table()
    const [syn, synAck, ack] = scene.seen
    scene.check(
      'three segments: SYN, SYN-ACK, ACK',
      scene.seen.length === 3 && isSyn(syn) && isSynAck(synAck) && !ack.syn && ack.ack,
    )
    for (const [name, segment] of [
      ['SYN', syn],
      ['SYN-ACK', synAck],
    ] as const) {
      for (const option of ['mss', 'sackOK', 'TS val', 'wscale']) {
        scene.check(`the ${name} offers ${option}`, segment.line.includes(option))
      }
    }
    scene.check(
      'the SYN-ACK acknowledges the SYN, and the ACK the SYN-ACK',
      synAck.ackNumber === (syn.seq + 1) >>> 0 && ack.ackNumber === (synAck.seq + 1) >>> 0,
    )
    scene.checkIs('the client goes through', states.join(' '), 'SYN_SENT ESTABLISHED')
    const both = [scene.client, scene.server].map((host) => host.sockets().find(({ state }) => state === 'ESTABLISHED'))
    scene.check(
      'both sides are ESTABLISHED',
      both.every((record) => record !== undefined),
    )
  },
}

const simultaneousOpen: Experiment = {
  name: 'simultaneous-open',
  chapter: 'Opening',
  setting: 'two hosts connect to each other, from and to the same ports, at the same time',
  shows: 'SYN_SENT → SYN_RECV → ESTABLISHED on both sides, and one connection',
  network: { delay: 50 },
  async run(scene) {
    const ends = [scene.client, scene.server]
    const states = ends.map((host) => scene.states(host))
    const sockets = ends.map((host, i) => {
      const other = ends[1 - i]
      return host.net.connect({ port: 5000, localPort: 5000, host: other.address, localAddress: host.address })
    })
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await scene.pass(1)
    scene.table()
    for (const [i, { name }] of ends.entries()) {
      scene.checkIs(`the ${name} goes through`, states[i].join(' '), 'SYN_SENT SYN_RECV ESTABLISHED')
    }
    scene.check(
      'each has one connection',
      ends.every((host) => host.sockets().length === 1),
    )
    sockets[0]?.write('hello')
    const [heard] = await once(sockets[1] as (typeof sockets)[number], 'data')
    scene.check('and it carries data', String(heard) === 'hello')
  },
}

const synTimeout: Experiment = {
  name: 'syn-timeout',
  chapter: 'Opening',
  setting: 'the peer is silent; with tcp_syn_retries of 6 (the default), 5 and 2',
  shows: 'SYNs at 0, 1, 3, 7, 15, 31, 63 s, and ETIMEDOUT at 127 s; with 5 retries at 63 s, with 2 at 7 s',
  virtualOnly: true,
  async run(scene) {
    scene.network.partition()
    for (const retries of [6, 5, 2]) {
      const name = retries === 6 ? 'client' : `client-${retries}`
      const host = scene.host(name)
      // Linear timeouts first are newer than the classic picture.
      host.sysctl.assign({ tcp_syn_retries: retries, tcp_syn_linear_timeouts: 0 })
      scene.note(`tcp_syn_retries = ${retries}`)
      const beganMs = scene.network.now()
      const socket = host.net.connect(80, scene.server.address)
      const outcome = await scene.outcome(socket)
      const tookS = (scene.network.now() - beganMs) / 1000
      scene.checkNumbers(
        `${retries} retries: SYNs double their distances`,
        scene.times(({ from }) => from === name),
        doubling(retries + 1),
      )
      scene.check(`${retries} retries: ETIMEDOUT`, outcome === 'ETIMEDOUT', outcome)
      scene.checkNumbers(`${retries} retries: given up at`, [tookS], [2 ** (retries + 1) - 1])
    }
  },
}

const synAckRetry: Experiment = {
  name: 'synack-retry',
  chapter: 'Opening',
  setting: 'every ACK that would complete the handshake is lost; then again, until the client has sent data',
  shows:
    'SYN-ACKs at 0, 1, 3, 7, 15, 31 s, and the half-open entry gone at 63 s; the client is ESTABLISHED all the while; data completes the handshake',
  virtualOnly: true,
  network: { sysctl: { tcp_synack_retries: 5 } },
  async run(scene) {
    const lost = scene.network.drop(({ from, syn, rst }) => from === 'client' && !syn && !rst)
    scene.listen()
    const socket = scene.connect()
    await once(socket, 'connect')
    const halfOpen = (): boolean => scene.server.sockets().some(({ state }) => state === 'SYN_RECV')
    await scene.pass(62)
    scene.check('at 62 s the entry is still half open', halfOpen())
    scene.check(
      'the client is ESTABLISHED all the while',
      scene.client.sockets().some(({ state }) => state === 'ESTABLISHED'),
    )
    await scene.pass(2)
    scene.table()
    scene.check('at 64 s it is gone', !halfOpen())
    const answers = (segment: Seen): boolean => isSynAck(segment) && segment.dstPort === scene.seen[0].srcPort
    scene.checkNumbers('SYN-ACKs double their distances', scene.times(answers), doubling(6))
    lost.stop()

    scene.note('the same, but the losses end while the entry is there')
    const until = scene.network.drop(({ from, syn, rst }) => from === 'client' && !syn && !rst)
    const server = scene.server.net.createServer((accepted) => accepted.pipe(accepted)).listen(81)
    const second = scene.client.net.connect(81, 'server')
    await once(second, 'connect')
    await scene.pass(2)
    until.stop()
    second.write('hello')
    const [answer] = await once(second, 'data')
    scene.check('data completes the handshake', String(answer) === 'hello')
    server.close()
    socket.destroy()
  },
}

const acceptQueueOverflow: Experiment = {
  name: 'accept-queue-overflow',
  chapter: 'Opening',
  setting: 'a server with a backlog of 8 stops accepting, and twenty clients come',
  shows:
    'the depth of the queue in ss -ltn; ListenOverflows rises; new SYNs are dropped; tcp_abort_on_overflow=1 resets; draining lets in who waits',
  virtualOnly: true,
  network: { delay: 5 },
  async run(scene) {
    const server = scene.listen(undefined, { backlog: 8 })
    server.tcp.pauseAccept()
    const sockets = Array.from({ length: 20 }, () => scene.connect())
    await scene.pass(5)
    scene.table()
    const listener = scene.server.sockets().find(({ state }) => state === 'LISTEN')
    scene.check(
      'Recv-Q is one above the backlog, which is Send-Q',
      listener?.recvQ === 9 && listener.sendQ === 8,
      `${listener?.recvQ} of ${listener?.sendQ}`,
    )
    const { ListenOverflows, ListenDrops } = scene.server.counters()
    scene.check(
      'ListenOverflows and ListenDrops rise',
      ListenOverflows > 0 && ListenDrops >= ListenOverflows,
      `${ListenOverflows}, ${ListenDrops}`,
    )
    server.tcp.resumeAccept()
    await scene.network.until(() => sockets.every((socket) => !socket.connecting), 120_000)
    scene.check(
      'draining lets in everybody who waits',
      sockets.every((socket) => !socket.connecting && !socket.destroyed),
    )

    scene.note('tcp_abort_on_overflow = 1')
    scene.server.sysctl.set('tcp_abort_on_overflow', 1)
    const strict = scene.server.net.createServer().listen({ port: 81, backlog: 8 })
    strict.tcp.pauseAccept()
    const outcomes: string[] = []
    // The first eight leave room for one: the next four are let in half, and three of them find no room when they are through.
    for (const count of [8, 4]) {
      for (let i = 0; i < count; i++) {
        const socket = scene.client.net.connect(81, 'server')
        socket.resume()
        socket.on('error', (error: NodeJS.ErrnoException) => outcomes.push(error.code ?? ''))
      }
      await scene.pass(1)
    }
    const isReset = outcomes.length === 3 && outcomes.every((code) => code === 'ECONNRESET')
    scene.check('three are reset', isReset, outcomes.join(' '))
    strict.close()
  },
}

const fastOpen: Experiment = {
  name: 'fast-open',
  chapter: 'Opening',
  setting:
    'three connects with Fast Open over a round trip of 100 ms; before the third the server has had new keys twice',
  shows:
    'the first gets a cookie, the second carries data in its SYN and saves a round trip, a bad cookie falls back without loss',
  virtualOnly: true,
  network: { delay: 50, sysctl: { tcp_fastopen: 3 } },
  async run(scene) {
    scene.server.net.createServer((socket) => socket.pipe(socket)).listen({ port: 80, tcp: { fastOpen: 16 } } as never)
    const ask = async (): Promise<number> => {
      const beganMs = scene.network.now()
      const socket = scene.client.net.connect({ port: 80, host: scene.server.address, tcp: { fastOpen: true } })
      socket.write('question')
      const [answer] = await once(socket, 'data')
      const tookMs = scene.network.now() - beganMs
      socket.destroy()
      await scene.pass(1)
      if (String(answer) !== 'question') throw new Error('the answer is wrong')
      return tookMs
    }
    const first = await ask()
    scene.check(
      'the first SYN asks for a cookie and has no data',
      scene.seen[0].length === 0 && scene.seen[0].line.includes('cookiereq'),
    )
    scene.checkNumbers('the first answer takes two round trips, ms', [first], [200])
    const before = scene.seen.length
    const second = await ask()
    const syn = scene.seen[before]
    scene.check(
      'the second SYN has the cookie and the data',
      isSyn(syn) && syn.length === 8 && syn.line.includes('cookie'),
    )
    scene.checkNumbers('the second answer takes one, ms', [second], [100])
    scene.check('the server counts it', scene.server.counters().TCPFastOpenPassive === 1)

    scene.note('two hours later: the key before the last is forgotten')
    await scene.pass(2 * 3600 + 1)
    const late = scene.seen.length
    const third = await ask()
    const [stale] = scene.seen.slice(late)
    scene.check('the third SYN has the old cookie and the data', isSyn(stale) && stale.length === 8)
    scene.check('the server takes the SYN only', scene.server.counters().TCPFastOpenPassiveFail === 1)
    scene.checkNumbers('the third answer is right, and takes two round trips again, ms', [third], [200])
  },
}

export const opening: readonly Experiment[] = [
  handshake,
  simultaneousOpen,
  synTimeout,
  synAckRetry,
  synQueueOverflow,
  acceptQueueOverflow,
  fastOpen,
]
