import { describe, expect, it } from 'vitest'
import { FastOpenCache, FastOpenKeys } from '../../src/stack/fast-open.ts'
import type { Endpoint } from '../../src/stack/index.ts'
import { SeededRandom } from '../../src/stack/random.ts'
import {
  encodeHeader,
  FrameKind,
  optionsLength,
  ParseResult,
  parseSegment,
  Segment,
  seqAdd,
  writeChecksum,
  writeShim,
} from '../../src/wire/index.ts'
import { fastOpens } from '../support/crowds.ts'
import { Flag, ListenRig, type ListenRigOptions, PORT, type RawPeer, SECOND } from '../support/listen-rig.ts'

const server = { sysctl: { tcp_fastopen: 2 } }
const SYN_ACK = Flag.SYN | Flag.ACK
const EMPTY = Buffer.alloc(0)

/** A peer that has asked for a cookie, and was given one. */
function withCookie(options: ListenRigOptions = { server }): [ListenRig, RawPeer, Buffer] {
  const rig = new ListenRig(options)
  const peer = rig.peer().syn({ cookie: EMPTY })
  rig.pass(0.1)
  const { cookie } = peer.synAck
  if (cookie === null) throw new Error('no cookie came')
  peer.send({ flags: Flag.RST, seq: 1001 })
  rig.pass(0.1)
  return [rig, rig.peer(1, 5001), cookie]
}

describe('a listener', () => {
  it('[rfc7413#4.1.2] gives a cookie to who asks', () => {
    const [rig, , cookie] = withCookie()
    expect(cookie.length).toBe(8)
    expect(rig.mib).toMatchObject({ TCPFastOpenCookieReqd: 1, TCPFastOpenPassive: 0 })
  })

  it('[rfc7413#4.2.2] with the cookie takes the data of a SYN, and answers before the handshake is done', () => {
    const [rig, peer, cookie] = withCookie()
    peer.syn({ cookie, data: 'question' })
    rig.pass(0.01)
    const [end] = rig.accepted
    expect(end.received).toBe(8)
    expect(end.endpoint.info().state_name).toBe('SYN_RECV')
    expect(peer.synAck.ack).toBe(1009)
    end.endpoint.write(Buffer.from('answer'))
    rig.pass(0.01)
    expect(peer.last).toMatchObject({ data: 'answer', ack: 1009, seq: seqAdd(peer.synAck.seq, 1) })
    peer.ack({ seq: 1009, ack: seqAdd(peer.synAck.seq, 7), data: 'and more' })
    rig.pass(0.01)
    expect(end.received).toBe(16)
    expect(end.endpoint.info()).toMatchObject({ state_name: 'ESTABLISHED', unacked: 0, bytes_acked: 6 })
    expect(rig.mib).toMatchObject({ TCPFastOpenPassive: 1, PassiveOpens: 1, TCPFastOpenPassiveFail: 0 })
  })

  it('sends the early answer again when its ACK is lost, after the handshake', () => {
    const [rig, peer, cookie] = withCookie()
    peer.syn({ cookie, data: 'question' })
    rig.pass(0.01)
    const [{ endpoint }] = rig.accepted
    endpoint.write(Buffer.from('answer'))
    rig.pass(0.01)
    peer.ack({ seq: 1009 })
    rig.pass(3)
    expect(peer.answers.filter(({ data }) => data === 'answer').length).toBeGreaterThan(1)
  })

  it('with a wrong cookie does as ever, and gives the right one', () => {
    const [rig, peer, cookie] = withCookie()
    peer.syn({ cookie: Buffer.alloc(8, 1), data: 'question' })
    rig.pass(0.01)
    expect(rig.accepted.length).toBe(0)
    expect(peer.synAck).toMatchObject({ ack: 1001, cookie })
    expect(rig.mib.TCPFastOpenPassiveFail).toBe(1)
    peer.ack({ data: 'question' })
    rig.pass(0.01)
    expect(rig.accepted[0].received).toBe(8)
  })

  it('nor does the cookie of another address do', () => {
    const [rig, , cookie] = withCookie()
    const other = rig.peer(2).syn({ cookie, data: 'question' })
    rig.pass(0.01)
    expect(rig.accepted.length).toBe(0)
    expect(other.synAck.ack).toBe(1001)
  })

  it.each([0, 1])('tcp_fastopen=%i: there is no such thing', (tcp_fastopen) => {
    const rig = new ListenRig({ server: { sysctl: { tcp_fastopen } } })
    const peer = rig.peer().syn({ cookie: EMPTY, data: 'question' })
    rig.pass(0.1)
    expect(peer.synAck).toMatchObject({ cookie: null, ack: 1001 })
  })

  it('listen({ tcp: { fastOpen } }) limits how many may be under way', () => {
    const [rig, , cookie] = withCookie({ server, tcp: { fastOpen: 2 } })
    const peers = [1, 2, 3].map((i) => rig.peer(1, 6000 + i).syn({ cookie, data: 'question' }))
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(2)
    expect(rig.mib.TCPFastOpenListenOverflow).toBe(1)
    expect(peers[2].synAck.ack).toBe(1001)
    peers[0].ack({ seq: 1009 })
    rig.pass(0.1)
    rig.peer(1, 6004).syn({ cookie, data: 'question' })
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(3)
    const none = new ListenRig({ server, tcp: { fastOpen: 0 } })
    const peer = none.peer().syn({ cookie: EMPTY })
    none.pass(0.1)
    expect(peer.synAck.cookie).toBe(null)
  })

  it('an early connection whose handshake never ends is given up', () => {
    const [rig, peer, cookie] = withCookie()
    peer.syn({ cookie, data: 'question' })
    rig.pass(62)
    expect(peer.answers.filter(({ flags }) => flags === SYN_ACK).length).toBe(6)
    rig.pass(2)
    expect(rig.accepted[0].reason).not.toBe(null)
    expect(rig.stack.sockets().length).toBe(1)
  })

  it('takes a SYN that comes twice for one', () => {
    const [rig, peer, cookie] = withCookie()
    peer.syn({ cookie, data: 'question' })
    peer.syn({ cookie, data: 'question' })
    rig.pass(1)
    peer.syn({ cookie, data: 'question' })
    rig.pass(0.1)
    expect(rig.accepted.map(({ received }) => received)).toEqual([8])
  })

  it('[rfc7413#A] the experimental form of the option is answered in kind', () => {
    const rig = new ListenRig({ server })
    const peer = rig.peer().syn({ cookie: EMPTY, experimental: true })
    rig.pass(0.1)
    expect(peer.synAck).toMatchObject({ experimental: true })
    expect(peer.synAck.cookie?.length).toBe(8)
    const other = rig.peer(1, 5003).syn({ cookie: EMPTY })
    rig.pass(0.1)
    expect(other.synAck).toMatchObject({ experimental: false, cookie: peer.synAck.cookie })
  })

  it('[rfc7413#4.1.2] keys change, and the one before counts as long', () => {
    const keys = new FastOpenKeys(new SeededRandom(1))
    const path = { localAddress: 'a', remoteAddress: 'b' } as Endpoint['path']
    const hour = 3600 * SECOND
    const cookie = keys.cookie(path, 0)
    expect([0, hour - 1, hour, 2 * hour - 1].map((us) => keys.check(cookie, path, us))).toEqual([1, 1, 2, 2])
    expect(keys.check(cookie, path, 2 * hour)).toBe(0)
    expect(keys.check(cookie, path, 10 * hour)).toBe(0)
  })

  it('a cookie by the key before is taken, and a new one given', () => {
    const [rig, , cookie] = withCookie()
    rig.pass(3600)
    const peer = rig.peer(1, 5002).syn({ cookie, data: 'question' })
    rig.pass(0.1)
    expect(rig.accepted[0].received).toBe(8)
    expect(rig.mib.TCPFastOpenPassiveAltKey).toBe(1)
    expect(peer.synAck.cookie?.equals(cookie)).toBe(false)
  })
})

describe('a client', () => {
  const options = { server: { sysctl: { tcp_fastopen: 3 } }, link: { delay: 50 } }

  /** Time from the connect to the answer, µs. */
  function ask(rig: ListenRig, stack: ReturnType<ListenRig['client']>, question = 'question'): number {
    const start = rig.world.nowUs
    const known = rig.accepted.length
    const ear = rig.connect(stack, { fastOpen: true })
    ear.endpoint.write(Buffer.from(question))
    let answered = 0
    ear.onData = () => {
      answered ||= rig.world.nowUs
    }
    rig.until(() => {
      const end = rig.accepted[known]
      if (end !== undefined && end.received === question.length && end.onData === null) {
        end.onData = () => {}
        end.endpoint.write(Buffer.from('answer'))
      }
      return answered > 0
    }, 100)
    return answered - start
  }

  it('[rfc7413#4.1.3] gets its answer after two round trips the first time, and after one from then on', () => {
    const rig = new ListenRig(options)
    const stack = rig.client()
    expect(Math.round(ask(rig, stack) / 1000)).toBe(200)
    for (let i = 0; i < 3; i++) expect(Math.round(ask(rig, stack) / 1000)).toBe(100)
    expect(stack.mib).toMatchObject({ TCPFastOpenActive: 3, TCPFastOpenActiveFail: 0 })
    expect(rig.mib).toMatchObject({ TCPFastOpenPassive: 3, TCPFastOpenCookieReqd: 1 })
    // Only who asks for it does so.
    const plain = rig.connect(stack)
    plain.endpoint.write(Buffer.from('question'))
    rig.pass(1)
    expect(stack.mib.TCPFastOpenActive).toBe(3)
  })

  it.each([0, 2])('tcp_fastopen=%i: it does not', (tcp_fastopen) => {
    const rig = new ListenRig(options)
    const stack = rig.client({ sysctl: { tcp_fastopen } })
    for (let i = 0; i < 2; i++) expect(Math.round(ask(rig, stack) / 1000)).toBe(200)
    expect(rig.mib.TCPFastOpenCookieReqd).toBe(0)
  })

  it('more than a segment of data begins in the SYN and goes on behind it', () => {
    const rig = new ListenRig(options)
    const stack = rig.client()
    ask(rig, stack)
    const question = Array.from({ length: 2000 }, (_, i) => `${i} `).join('')
    const ear = rig.connect(stack, { fastOpen: true })
    ear.endpoint.write(Buffer.from(question))
    let heard = ''
    rig.until(() => rig.accepted.length === 2)
    rig.accepted[1].onData = (data) => {
      heard += data
    }
    rig.until(() => rig.accepted[1].received === question.length)
    expect(question.endsWith(heard)).toBe(true)
    expect(ear.endpoint.info().total_retrans).toBe(0)
  })

  it('[rfc7413#4.2.1] a peer that has lost its keys takes no data, and gets it after the handshake', () => {
    const rig = new ListenRig(options)
    const stack = rig.client()
    ask(rig, stack)
    rig.pass(3 * 3600)
    expect(Math.round(ask(rig, stack) / 1000)).toBe(200)
    expect(stack.mib.TCPFastOpenActiveFail).toBe(1)
    expect(Math.round(ask(rig, stack) / 1000)).toBe(100)
  })

  it('a peer that knows nothing of it: the same', () => {
    const rig = new ListenRig({ ...options, server: { sysctl: { tcp_fastopen: 0 } } })
    const stack = rig.client()
    for (let i = 0; i < 2; i++) expect(Math.round(ask(rig, stack) / 1000)).toBe(200)
    rig.stack.sysctl.tcp_fastopen = 2
    ask(rig, stack)
    rig.stack.sysctl.tcp_fastopen = 0
    expect(Math.round(ask(rig, stack) / 1000)).toBe(200)
    expect(stack.mib.TCPFastOpenActiveFail).toBe(1)
  })

  it('[rfc7413#4.1.3] a SYN that is lost is repeated bare, its data goes out after the handshake', () => {
    const rig = new ListenRig(options)
    const stack = rig.client()
    ask(rig, stack)
    const host = rig.net.hosts.at(-1)
    if (host === undefined) throw new Error('no host')
    rig.net.link(host, rig.host).down = true
    rig.world.after(100_000, () => {
      rig.net.link(host, rig.host).down = false
    })
    expect(Math.round(ask(rig, stack) / 1000)).toBe(1200)
    expect(stack.mib).toMatchObject({ TCPFastOpenActive: 0, TCPFastOpenActiveFail: 1 })
  })

  it('after two such losses it leaves it for a while', () => {
    const cache = new FastOpenCache()
    cache.learn('a', Buffer.alloc(8), 1448)
    cache.lost('a', 0)
    expect(cache.forSyn('a', 1)?.mss).toBe(1448)
    cache.lost('a', 0)
    expect(cache.forSyn('a', 239 * SECOND)).toBe(null)
    expect(cache.forSyn('a', 240 * SECOND)?.mss).toBe(1448)
    cache.learn('a', Buffer.alloc(8), 1400)
    expect(cache.forSyn('a', 1)?.mss).toBe(1400)
    // It remembers so many, and forgets who was not heard of longest.
    for (let i = 0; i < 1024; i++) cache.learn(`b${i}`, Buffer.alloc(8), 1)
    expect(cache.forSyn('a', 1)?.cookie.length).toBe(0)
  })

  it('takes the data that a SYN-ACK brings, and sends again what of its own was not taken', () => {
    for (const taken of [0, 3, 8]) {
      const rig = new ListenRig({ server: { sysctl: { tcp_fastopen: 3 } } })
      const stack = rig.client()
      ask(rig, stack)
      // A peer that is no stack of ours sits down at the port.
      rig.listener.close()
      rig.stack.close({ abort: true })
      rig.pass(1)
      const socket = rig.host.dgram.createSocket('udp4')
      socket.bind(PORT, rig.host.addresses[0])
      const seg = new Segment()
      let got = ''
      socket.on('message', (message: Buffer, from: { address: string; port: number }) => {
        if (parseSegment(message, 4, message.length, seg) !== ParseResult.Ok) return
        got += message.toString('latin1', seg.payloadStart, seg.payloadEnd)
        if ((seg.flags & Flag.SYN) === 0) return
        const { srcPort, dstPort, seq } = seg
        seg.reset()
        seg.srcPort = dstPort
        seg.dstPort = srcPort
        seg.flags = SYN_ACK
        seg.ack = seqAdd(seq, 1 + taken)
        seg.wnd = 1000
        seg.mss = 1448
        const header = 20 + optionsLength(seg)
        const out = Buffer.alloc(4 + header + 5)
        writeShim(out, 0, FrameKind.Segment, header + 5)
        encodeHeader(seg, out, 4)
        out.write('early', 4 + header)
        writeChecksum(out, 4, out.length)
        socket.send(out, from.port, from.address)
      })
      const ear = rig.connect(stack, { fastOpen: true })
      ear.endpoint.write(Buffer.from('question'))
      rig.pass(0.02)
      expect(ear.received).toBe(5)
      expect(got).toBe(`question${'question'.slice(taken)}`)
    }
  })

  // `scripts/shows.ts fast-open` does the same with 1,000.
  it('delivers the data of its SYN exactly once, whatever the network does to the handshake: 200 seeds', () => {
    const { early, late, wrong } = fastOpens(1, 200)
    expect(wrong).toEqual([])
    expect(early).toBeGreaterThan(60)
    expect(late).toBeGreaterThan(10)
  })
})
