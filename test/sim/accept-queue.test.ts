import { describe, expect, it } from 'vitest'
import { CloseReason } from '../../src/stack/index.ts'
import { Flag, ListenRig, type RawPeer } from '../support/listen-rig.ts'
import type { Ear } from '../support/sim-pair.ts'

const listening = (rig: ListenRig): { recvQ: number; sendQ: number } => {
  const record = rig.stack.sockets().find(({ state }) => state === 'LISTEN')
  if (record === undefined) throw new Error('nobody listens')
  return { recvQ: record.recvQ, sendQ: record.sendQ }
}

/** A listener with a queue of four that accepts nothing, and so many clients that connect to it. */
function paused(clients: number, sysctl: Record<string, unknown> = {}): [ListenRig, Ear[]] {
  const rig = new ListenRig({ backlog: 4, server: { sysctl } })
  rig.listener.pause()
  const stack = rig.client()
  const ends = Array.from({ length: clients }, () => rig.connect(stack))
  return [rig, ends]
}

/** A listener with a full queue, and a peer whose ACK found no room in it. */
function overflown(sysctl: Record<string, unknown> = {}): [ListenRig, RawPeer] {
  const rig = new ListenRig({ backlog: 2, server: { sysctl } })
  rig.listener.pause()
  const peers = Array.from({ length: 4 }, (_, i) => rig.peer(i))
  for (const two of [peers.slice(0, 2), peers.slice(2)]) {
    for (const peer of two) peer.syn()
    rig.pass(0.1)
    for (const peer of two) peer.ack()
    rig.pass(0.1)
  }
  return [rig, peers[3]]
}

describe('a listener that holds connections back', () => {
  it('shows how many wait, and how many may, as ss does', () => {
    const [rig, ends] = paused(3)
    expect(listening(rig)).toEqual({ recvQ: 0, sendQ: 4 })
    rig.pass(0.5)
    expect(ends.every(({ isConnected }) => isConnected)).toBe(true)
    expect(rig.accepted.length).toBe(0)
    expect(listening(rig)).toEqual({ recvQ: 3, sendQ: 4 })
    expect(rig.listener.info()).toEqual({ acceptQueue: 3, acceptLimit: 4, synQueue: 0, synLimit: 4, paused: true })
    rig.listener.resume()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(3)
    expect(listening(rig)).toEqual({ recvQ: 0, sendQ: 4 })
  })

  it('somaxconn cuts the backlog', () => {
    const rig = new ListenRig({ backlog: 1000, server: { sysctl: { somaxconn: 2 } } })
    expect(listening(rig)).toEqual({ recvQ: 0, sendQ: 2 })
    rig.listener.pause()
    const stack = rig.client()
    for (let i = 0; i < 5; i++) rig.connect(stack)
    rig.pass(0.5)
    expect(listening(rig).recvQ).toBe(3)
  })

  it('tcp_abort_on_overflow=0: what is too much is dropped, and gets in when there is room', () => {
    const [rig, ends] = paused(4)
    rig.pass(0.5)
    // linux: one more than the limit.
    const more = Array.from({ length: 3 }, () => rig.connect(rig.client()))
    rig.pass(0.9)
    expect(listening(rig).recvQ).toBe(5)
    expect(rig.mib.ListenOverflows).toBeGreaterThan(0)
    expect(rig.mib.ListenDrops).toBe(rig.mib.ListenOverflows)
    rig.pass(5)
    rig.listener.resume()
    rig.until(() => rig.accepted.length === 7, 30)
    expect([...ends, ...more].every(({ isConnected, reason }) => isConnected && reason === null)).toBe(true)
  })

  it('the ACK that found no room is asked for again, by the SYN-ACK', () => {
    const [rig, late] = overflown()
    expect(rig.listener.info()).toMatchObject({ acceptQueue: 3, synQueue: 1 })
    expect(rig.mib).toMatchObject({ ListenOverflows: 1, ListenDrops: 1 })
    rig.listener.resume()
    rig.pass(1)
    expect(late.answers.length).toBe(2)
    late.ack()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(4)
  })

  it('tcp_abort_on_overflow=1: it is reset', () => {
    const [rig, late] = overflown({ tcp_abort_on_overflow: 1 })
    expect(late.last).toMatchObject({ flags: Flag.RST })
    expect(rig.mib).toMatchObject({ ListenOverflows: 1, ListenDrops: 1, EmbryonicRsts: 1, OutRsts: 1 })
    expect(rig.listener.info()).toMatchObject({ acceptQueue: 3, synQueue: 0 })
  })

  it('a client of ours then hears ECONNRESET', () => {
    const rig = new ListenRig({ backlog: 2, server: { sysctl: { tcp_abort_on_overflow: 1 } }, link: { delay: 50 } })
    rig.listener.pause()
    const first = Array.from({ length: 2 }, () => rig.connect(rig.client()))
    rig.pass(1)
    const more = Array.from({ length: 2 }, () => rig.connect(rig.client()))
    rig.pass(1)
    expect([...first, ...more].map(({ reason }) => reason).filter((reason) => reason !== null)).toEqual([
      CloseReason.Reset,
    ])
  })

  it('new SYNs are dropped while it is full, and counted twice', () => {
    const [rig] = paused(4)
    rig.pass(0.2)
    rig.connect(rig.client())
    rig.pass(0.2)
    expect(listening(rig).recvQ).toBe(5)
    const before = { ...rig.mib }
    const peer = rig.peer().syn()
    rig.pass(0.2)
    expect(peer.answers).toEqual([])
    expect(rig.mib.ListenOverflows - before.ListenOverflows).toBe(1)
    expect(rig.mib.ListenDrops - before.ListenDrops).toBe(1)
  })

  it('nor does a cookie get anybody in', () => {
    const rig = new ListenRig({ backlog: 1, server: { sysctl: { tcp_syncookies: 2 } } })
    const peers = Array.from({ length: 3 }, (_, i) => rig.peer(i).syn())
    rig.pass(0.1)
    rig.listener.pause()
    for (const peer of peers) peer.ack()
    rig.pass(0.1)
    expect(rig.listener.waiting).toBe(2)
    expect(rig.mib).toMatchObject({ ListenOverflows: 1, SyncookiesRecv: 3 })
    rig.listener.resume()
    // The cookie still holds.
    peers[2].ack({ data: 'again' })
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(3)
    expect(rig.accepted[2].received).toBe(5)
  })

  it('keeps what comes meanwhile: data, the end, a reset', () => {
    const [rig, ends] = paused(3)
    rig.until(() => ends.every(({ isConnected }) => isConnected))
    ends[0].endpoint.write(Buffer.from('data'))
    ends[1].endpoint.write(Buffer.from('and the end'))
    ends[1].endpoint.end()
    ends[2].endpoint.abort()
    rig.pass(0.5)
    expect(rig.accepted.length).toBe(0)
    rig.listener.resume()
    rig.pass(0.1)
    expect(rig.accepted.map(({ received, hasEnded, reason }) => [received, hasEnded, reason])).toEqual([
      [4, false, null],
      [11, true, null],
      [0, false, CloseReason.Reset],
    ])
  })

  it('closed, it resets those that wait', () => {
    const [rig, ends] = paused(3)
    rig.pass(0.5)
    rig.listener.close()
    rig.pass(0.1)
    expect(ends.map(({ reason }) => reason)).toEqual([CloseReason.Reset, CloseReason.Reset, CloseReason.Reset])
    expect(rig.stack.sockets()).toEqual([])
  })

  it('holds no process by what waits', () => {
    const [rig] = paused(3)
    rig.pass(0.5)
    expect(rig.stack.isHeld).toBe(true)
    rig.listener.unref()
    expect(rig.stack.isHeld).toBe(false)
  })
})

describe('tcp_defer_accept', () => {
  it.each([
    ['of the stack', { server: { sysctl: { tcp_defer_accept: 3 } } }],
    ['of the listener', { tcp: { deferAccept: 3 } }],
  ])('a connection is accepted with its first data, %s', (_, options) => {
    const rig = new ListenRig(options)
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack()
    rig.pass(0.5)
    expect(rig.accepted.length).toBe(0)
    expect(rig.mib.TCPDeferAcceptDrop).toBe(1)
    expect(rig.listener.halfOpen).toBe(1)
    peer.ack({ data: 'hello' })
    rig.pass(0.1)
    expect(rig.accepted[0].received).toBe(5)
  })

  it('or after the time, when the peer answers once more', () => {
    const rig = new ListenRig({ tcp: { deferAccept: 3 } })
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack()
    rig.pass(2.5)
    // linux: nothing is asked while it may still be waiting to speak; the last question comes a wait before the end.
    expect(peer.answers.length).toBe(1)
    rig.pass(1)
    expect(peer.answers.length).toBe(2)
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(1)
  })

  it('0 accepts at once', () => {
    const rig = new ListenRig({ tcp: { deferAccept: 0 }, server: { sysctl: { tcp_defer_accept: 9 } } })
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(1)
  })
})
