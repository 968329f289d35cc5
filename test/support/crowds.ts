import { Rng } from '../../src/impair/index.ts'
import type { Endpoint } from '../../src/stack/index.ts'
import type { Flow } from '../../src/testing/sim/sim-link.ts'
import { memoryInUse } from './heap.ts'
import { ListenRig } from './listen-rig.ts'
import { Ear, PORT, SimPair } from './sim-pair.ts'

// What happens to thousands of connections, in virtual time: for tests with some, and for `scripts/shows.ts` with all.

const deaf = { connected() {}, readable() {}, peerFinished() {}, writable() {}, closed() {} }

/** Two hosts, of which the server also listens on `ports`, and closes whatever its client has closed. */
function closers(ports: number[], options: ConstructorParameters<typeof SimPair>[0]): SimPair {
  const pair = new SimPair({ ...options, link: { delay: 0.01 } })
  const [address] = pair.serverHost.addresses
  for (const port of ports) {
    pair.server.listen(
      { address, port, backlog: 4096, ipv6Only: false, reusePort: false, exclusive: false },
      { accepted: (endpoint) => ({ ...deaf, peerFinished: () => endpoint.close() }) },
    )
  }
  return pair
}

/** Connects `count` times, so many at once, and closes each as soon as it is open; the number that opened, or the code that stopped it. */
function visits(pair: SimPair, ports: number[], count: number, atOnce: number): number | string {
  const [address] = pair.serverHost.addresses
  let opened = 0
  for (let i = 0; i < count; i++) {
    const connected = (): void => {
      opened++
      ;(endpoint as Endpoint).close()
    }
    const endpoint = pair.client.connect({ address, port: ports[i % ports.length] }, { ...deaf, connected })
    if (typeof endpoint === 'string') return endpoint
    if (i % atOnce === atOnce - 1) pair.pass(0.01)
  }
  pair.pass(0.1)
  return opened
}

/** Bytes that each of `count` connections in TIME_WAIT weighs, and how many there are. */
export function timeWaitWeight(count: number): { waiting: number; bytesEach: number } {
  const ports = [7001, 7002, 7003, 7004]
  const pair = closers(ports, {})
  visits(pair, ports, 2000, 500)
  pair.pass(61)
  const before = memoryInUse()
  visits(pair, ports, count, 500)
  const held = memoryInUse() - before
  const waiting = pair.client.sockets().filter(({ state }) => state === 'TIME_WAIT').length
  return { waiting, bytesEach: held / count }
}

/** How many stay in TIME_WAIT of `count` connections, and how many skipped it. */
export function timeWaitLimit(count: number, tcp_max_tw_buckets: number): { waiting: number; overflow: number } {
  const ports = [7001, 7002, 7003, 7004]
  const pair = closers(ports, { client: { sysctl: { tcp_max_tw_buckets } } })
  visits(pair, ports, count, 500)
  const waiting = pair.client.sockets().filter(({ state }) => state === 'TIME_WAIT').length
  return { waiting, overflow: pair.client.mib.TCPTimeWaitOverflow }
}

/** Connects `count` times to one port with `tcp_tw_reuse`: how many opened, or why one could not; how many tuples were taken over. */
export function reuse(count: number, sysctl: Record<string, unknown>): { opened: number | string; recycled: number } {
  const pair = closers([7001], { client: { sysctl } })
  return { opened: visits(pair, [7001], count, 200), recycled: pair.client.mib.TWRecycled }
}

/** Lives on the same tuple that one pair of hosts sees, before there is another. */
const LIVES = 100

/**
 * For each seed a connection, whose segments are recorded, and after it another on the same tuple, into which they are thrown at every stage. How many
 * were thrown, and the seeds of which something came in.
 */
export function oldDuplicates(first: number, count: number): { replayed: number; wrong: number[] } {
  let replayed = 0
  const wrong: number[] = []
  for (let seed = first; seed < first + count; ) {
    const timestamps = (seed / LIVES) & 1
    const pair = new SimPair({
      seed,
      client: { sysctl: { tcp_timestamps: timestamps, tcp_tw_reuse: timestamps, tcp_timewait_len: 5 } },
      server: { sysctl: { tcp_timestamps: timestamps, tcp_timewait_len: 5 } },
    })
    const old: [Buffer, Flow][] = []
    let recording = false
    pair.net.tap((datagram, flow) => {
      if (recording && datagram.length > 100)
        old.push([Buffer.from(datagram), { ...flow, sink: null, sinkVersion: -1 }])
      return true
    })
    for (let life = 0; life < LIVES && seed < first + count; life++, seed++) {
      old.length = 0
      pair.accepted.length = 0
      recording = true
      const replay = (): void => {
        recording = false
        for (const [datagram, flow] of old) {
          replayed++
          const host = flow.address === pair.serverHost.addresses[0] ? pair.serverHost : pair.clientHost
          host.arrive(datagram, flow)
        }
      }
      if (!oneLifeAfterAnother(pair, 5000 + life, seed, timestamps === 1, replay)) wrong.push(seed)
    }
  }
  return { replayed, wrong }
}

function oneLifeAfterAnother(
  pair: SimPair,
  localPort: number,
  seed: number,
  timestamps: boolean,
  replay: () => void,
): boolean {
  const connect = (): Ear => {
    const ear = new Ear()
    const request = { address: pair.serverHost.addresses[0], port: PORT, localPort }
    const endpoint = pair.client.connect(request, ear)
    if (typeof endpoint === 'string') throw new Error(`seed ${seed}: ${endpoint}`)
    ear.endpoint = endpoint
    pair.until(() => ear.isConnected)
    return ear
  }
  const exchange = (client: Ear, server: () => Ear, word: string, between: () => void): void => {
    client.endpoint.write(Buffer.alloc(3000, word))
    between()
    pair.until(() => server()?.received === 3000)
    server().endpoint.write(Buffer.alloc(3000, word))
    between()
    pair.until(() => client.received === 3000)
  }
  const first = connect()
  exchange(
    first,
    () => pair.accepted[0],
    'old',
    () => {},
  )
  // Either side may be the one that waits.
  const [a, b] = seed % 3 === 0 ? [pair.accepted[0], first] : [first, pair.accepted[0]]
  a.endpoint.close()
  pair.until(() => b.hasEnded)
  b.endpoint.close()
  // With timestamps at once or after a second, without them when TIME_WAIT is over.
  pair.pass(timestamps ? (a === first ? 1.1 : 0.1) : 5.1)
  replay()
  const second = connect()
  replay()
  pair.pass(0.1)
  let mixed = false
  const listen = (ear: Ear): void => {
    ear.onData = (data) => {
      if (data.includes('old')) mixed = true
    }
  }
  listen(second)
  listen(pair.accepted[1])
  exchange(second, () => pair.accepted[1], 'new', replay)
  pair.pass(0.5)
  const right = pair.accepted[1].received === 3000 && second.received === 3000 && !mixed
  for (const ear of [second, pair.accepted[1]]) ear.endpoint.abort()
  return right
}

/**
 * For each seed a request in the SYN of a second connection, over a network that loses, repeats and reorders. How many SYNs brought their data, how
 * many did not, and the seeds whose request did not come exactly once.
 */
export function fastOpens(first: number, count: number): { early: number; late: number; wrong: number[] } {
  let [early, late] = [0, 0]
  const wrong: number[] = []
  for (let seed = first; seed < first + count; seed++) {
    const rng = new Rng(seed)
    const rig = new ListenRig({
      seed,
      server: { sysctl: { tcp_fastopen: 3 } },
      link: { delay: 20, jitter: 20, loss: rng.next() * 0.3, duplicate: rng.next() * 0.5, reorder: rng.next() * 0.3 },
    })
    const stack = rig.client()
    const one = rig.connect(stack, { fastOpen: true })
    // Or the server never learns of it where every ACK is lost.
    one.endpoint.write(Buffer.from('hello'))
    rig.until(() => one.isConnected && rig.accepted.length === 1)
    const ear = rig.connect(stack, { fastOpen: true })
    const question = `question ${seed} ${'x'.repeat(rng.nextInt(3000))}`
    ear.endpoint.write(Buffer.from(question))
    rig.until(() => rig.accepted.length > 1)
    let heard = ''
    const [, end] = rig.accepted
    const before = end.received
    end.onData = (data) => {
      heard += data
    }
    end.endpoint.write(Buffer.from('answer'))
    rig.until(() => end.received >= question.length && ear.received >= 6)
    rig.pass(5)
    const once = rig.accepted.length === 2 && end.received === question.length && ear.received === 6
    if (!once || !question.endsWith(heard) || before + heard.length !== question.length) wrong.push(seed)
    early += stack.mib.TCPFastOpenActive
    late += stack.mib.TCPFastOpenActiveFail
  }
  return { early, late, wrong }
}
