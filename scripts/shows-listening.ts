/** What `shows.ts` shows of listening and closing at full size: queues, cookies, Fast Open, TIME_WAIT. */
import { fastOpens, oldDuplicates, reuse, timeWaitLimit, timeWaitWeight } from '../test/support/crowds.ts'
import { ListenRig } from '../test/support/listen-rig.ts'
import { SimPair } from '../test/support/sim-pair.ts'
import { flood } from '../test/support/syn-flood.ts'

export type Verdict = (ok: boolean, text: string) => void

const SYNS = 100_000
/** As `tcp_info` has them: timestamps, SACK, window scaling. */
const ALL_OPTIONS = 7

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** 100,000 SYNs at full speed over real UDP, from 400 addresses, `tcp_max_syn_backlog` 256. */
export async function synFlood(verdict: Verdict): Promise<void> {
  const without = await flood({ syns: SYNS, tcp_syncookies: 0, clients: 20, patienceMs: 3000 })
  const served = without.outcomes.filter((options) => options !== null).length
  const { TCPReqQFullDrop, ListenDrops } = without.counters
  const counted = `TCPReqQFullDrop ${TCPReqQFullDrop}, ListenDrops ${ListenDrops}`
  verdict(served < 10, `syn-flood: without cookies ${served} of 20 are served within 3 s; ${counted}`)
  const cookies = await flood({ syns: SYNS, tcp_syncookies: 1, clients: 200, patienceMs: 10_000 })
  const { outcomes, grown, sent, received, counters } = cookies
  const all = outcomes.filter((options) => options === ALL_OPTIONS).length
  verdict(
    all === 200,
    `syn-flood: with cookies ${all} of 200 are served within 10 s, with timestamps, SACK and scaling`,
  )
  verdict(
    counters.SyncookiesSent > 0,
    `syn-flood: ${counters.SyncookiesSent} cookies sent, ${counters.SyncookiesRecv} came back`,
  )
  verdict(grown < 5e6, `syn-flood: memory grows by ${mb(grown)}, below 5 MB`)
  const ratio = (received / sent).toFixed(2)
  verdict(received <= sent * 1.2, `syn-flood: ${mb(sent)} came, ${mb(received)} went back: ${ratio}, below 1.2`)
}

/** 50,000 connections opened and closed by a client over four ports of a server. */
export async function timeWait(verdict: Verdict): Promise<void> {
  const { waiting, bytesEach } = timeWaitWeight(50_000)
  verdict(waiting === 50_000 && bytesEach <= 200, `time-wait: ${waiting} records of ${bytesEach.toFixed(0)} bytes each`)
  const limited = timeWaitLimit(50_000, 1000)
  const text = `time-wait: tcp_max_tw_buckets=1000 leaves ${limited.waiting}, TCPTimeWaitOverflow ${limited.overflow}`
  verdict(limited.waiting === 1000 && limited.overflow === 49_000, text)
}

/** 100,000 connections to one port. */
export async function ports(verdict: Verdict): Promise<void> {
  const { opened, recycled } = reuse(100_000, { tcp_tw_reuse: 1 })
  verdict(opened === 100_000, `ports: tcp_tw_reuse=1: ${opened} of 100,000 open, TWRecycled ${recycled}`)
  const without = reuse(100_000, { tcp_tw_reuse: 0, ip_local_port_range: [40_000, 40_999] })
  verdict(without.opened === 'EADDRNOTAVAIL', `ports: tcp_tw_reuse=0, 1,000 ports: ${without.opened}`)
}

/** 10,000 lives after another on the same tuple. */
export async function oldDuplicate(verdict: Verdict): Promise<void> {
  const began = performance.now()
  const { replayed, wrong } = oldDuplicates(1, 10_000)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  verdict(
    wrong.length === 0,
    `old-duplicates: ${replayed} replayed into 10,000 lives, ${wrong.length} got in; ${seconds} s`,
  )
}

/** Over a round-trip time of 100 ms, and over networks that lose, repeat and reorder. */
export async function fastOpen(verdict: Verdict): Promise<void> {
  const pair = new SimPair({ link: { delay: 50 }, server: { sysctl: { tcp_fastopen: 3 } } })
  const times = [1, 2].map(() => {
    const began = pair.world.nowUs
    const known = pair.accepted.length
    const ear = pair.connect({ fastOpen: true })
    ear.endpoint.write(Buffer.from('question'))
    pair.until(() => (pair.accepted[known]?.received ?? 0) > 0)
    pair.accepted[known].endpoint.write(Buffer.from('answer'))
    pair.until(() => ear.received > 0)
    return (pair.world.nowUs - began) / 100_000
  })
  const [first, second] = times.map((trips) => Math.round(trips * 100) / 100)
  verdict(first === 2 && second === 1, `fast-open: an answer after ${first} round trips the first time, then ${second}`)
  const { early, late, wrong } = fastOpens(1, 1000)
  const text = `${early} SYNs brought their data, ${late} did not; ${wrong.length} not delivered exactly once`
  verdict(wrong.length === 0, `fast-open: 1,000 seeds: ${text}`)
}

/** A listener that holds 8 connections back, and 20 clients. */
export async function acceptQueue(verdict: Verdict): Promise<void> {
  for (const tcp_abort_on_overflow of [0, 1]) {
    const rig = new ListenRig({ backlog: 8, server: { sysctl: { tcp_abort_on_overflow, tcp_syncookies: 0 } } })
    rig.listener.pause()
    const client = rig.client()
    // Six fill most of the queue, five of the next eight find no room with their last ACK, and six more with their SYN.
    const ears = [6, 8, 6].flatMap((count) => {
      const wave = Array.from({ length: count }, () => rig.connect(client))
      rig.pass(0.1)
      return wave
    })
    const { acceptQueue, acceptLimit } = rig.listener.info()
    const { ListenOverflows, ListenDrops } = rig.mib
    const text = `queue ${acceptQueue} of ${acceptLimit}, ListenOverflows ${ListenOverflows}, ListenDrops ${ListenDrops}`
    rig.listener.resume()
    for (const { endpoint, reason } of ears) if (reason === null) endpoint.write(Buffer.from('x'))
    rig.pass(60)
    const got = rig.accepted.length
    const reset = ears.filter(({ reason }) => reason !== null).length
    const right = tcp_abort_on_overflow === 0 ? got === 20 && reset === 0 : got === 15 && reset === 5
    verdict(
      right && ListenOverflows > 0,
      `accept-queue: tcp_abort_on_overflow=${tcp_abort_on_overflow}: ${text}; ${got} get in, ${reset} are reset`,
    )
  }
}

/** Who closes and is not answered. */
export async function closing(verdict: Verdict): Promise<void> {
  const pair = new SimPair({ client: { sysctl: { tcp_max_orphans: 4 } } })
  const gone = (): number => pair.client.sockets().length
  const [orphan] = pair.establish()
  orphan.endpoint.close()
  pair.pass(59)
  const waits = gone()
  pair.pass(2)
  verdict(waits === 1 && gone() === 0, 'closing: FIN_WAIT_2 of an orphan ends after 60 s')
  const [half] = pair.establish()
  half.endpoint.end()
  pair.pass(3600)
  verdict(gone() === 1, 'closing: that of a half-closed socket is there after an hour')
  half.endpoint.abort()
  pair.pass(1)
  const stalled = Array.from({ length: 10 }, () => pair.establish())
  for (const [, server] of stalled) server.reading = false
  for (const [client] of stalled) client.endpoint.write(Buffer.alloc(16_000))
  pair.pass(1)
  for (const [client] of stalled) for (let i = 0; i < 100; i++) client.endpoint.write(Buffer.alloc(16_000))
  pair.pass(10)
  for (const [client] of stalled) client.endpoint.close()
  pair.pass(0.1)
  const { TCPAbortOnMemory } = pair.client.mib
  verdict(
    gone() === 4,
    `closing: a peer with a shut window holds ${gone()} orphans; TCPAbortOnMemory ${TCPAbortOnMemory}`,
  )
}
