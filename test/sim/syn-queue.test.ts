import { describe, expect, it } from 'vitest'
import { seqAdd } from '../../src/wire/index.ts'
import { memoryInUse } from '../support/heap.ts'
import { Flag, ListenRig, type RawPeer, SECOND } from '../support/listen-rig.ts'

const SYN_ACK = Flag.SYN | Flag.ACK
const flags = (peer: RawPeer): number[] => peer.answers.map((answer) => answer.flags)

describe('a half-open connection', () => {
  it('is answered at once, and listed as SYN_RECV', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    expect(flags(peer)).toEqual([SYN_ACK])
    expect(peer.synAck).toMatchObject({ ack: 1001, mss: 1448, wscale: 7, sackPermitted: true, checksumOffload: true })
    expect(rig.stack.sockets().map(({ state }) => state)).toEqual(['LISTEN', 'SYN_RECV'])
    expect(rig.listener.info()).toMatchObject({ synQueue: 1, acceptQueue: 0 })
  })

  it('[rfc9293#3.8.1] sends its SYN-ACK at 0, 1, 3, 7, 15 and 31 s, and is gone at 63', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(62.9)
    expect(peer.answers.map(({ us }) => Math.round(us / SECOND))).toEqual([0, 1, 3, 7, 15, 31])
    expect(rig.listener.halfOpen).toBe(1)
    rig.pass(0.2)
    expect(rig.listener.halfOpen).toBe(0)
    expect(rig.stack.sockets().length).toBe(1)
    expect(rig.mib).toMatchObject({ TCPSynRetrans: 5, RetransSegs: 5, AttemptFails: 1, PassiveOpens: 0 })
    // Late, it finds nobody.
    peer.ack()
    rig.pass(0.1)
    expect(peer.last?.flags).toBe(Flag.RST)
  })

  it('tcp_synack_retries says how often', () => {
    const rig = new ListenRig({ server: { sysctl: { tcp_synack_retries: 2 } } })
    const peer = rig.peer().syn()
    rig.pass(100)
    expect(peer.answers.map(({ us }) => Math.round(us / SECOND))).toEqual([0, 1, 3])
  })

  it('becomes a connection by the ACK, with what its data says', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack({ data: 'with the ACK', flags: Flag.ACK | Flag.PSH })
    rig.pass(0.1)
    const [end] = rig.accepted
    expect(end.received).toBe(12)
    expect(end.endpoint.info()).toMatchObject({ state_name: 'ESTABLISHED', options: 7, snd_wscale: 7, rcv_wscale: 7 })
    expect(rig.mib).toMatchObject({ PassiveOpens: 1, CurrEstab: 1 })
    expect(rig.listener.halfOpen).toBe(0)
  })

  it('measures the round trip, and by Karn not where the SYN-ACK was sent twice', () => {
    const times = (wait: number, ts: boolean): number => {
      const rig = new ListenRig()
      const peer = rig.peer().syn(ts ? {} : { ts: null })
      rig.pass(wait)
      peer.ack()
      rig.pass(0.01)
      return rig.accepted[0].endpoint.info().rtt
    }
    expect(times(0.3, false)).toBe(300_000)
    expect(times(0.3, true)).toBe(300_000)
    expect(times(1.5, false)).toBe(0)
    // By its timestamp.
    expect(times(1.5, true)).toBe(500_000)
  })

  it('repeats its answer to the SYN that comes again, but not to a stream of them', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    for (let i = 0; i < 5; i++) peer.syn()
    rig.pass(0.1)
    expect(flags(peer)).toEqual([SYN_ACK, SYN_ACK])
    expect(peer.answers[0].seq).toBe(peer.answers[1].seq)
    expect(rig.mib.TCPACKSkippedSynRecv).toBe(4)
    expect(rig.listener.halfOpen).toBe(1)
  })

  it('[rfc9293#3.5 MUST-11] ends without a word when the peer resets it', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.send({ flags: Flag.RST, seq: 1001 })
    rig.pass(70)
    expect(flags(peer)).toEqual([SYN_ACK])
    expect(rig.mib).toMatchObject({ EmbryonicRsts: 1, AttemptFails: 1 })
    expect(rig.listener.halfOpen).toBe(0)
  })

  it('[rfc5961#3.2] only by a RST in its place: another in the window is challenged, one outside ignored', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.send({ flags: Flag.RST, seq: 1100 })
    rig.pass(0.1)
    expect(peer.last).toMatchObject({ flags: Flag.ACK, ack: 1001 })
    peer.send({ flags: Flag.RST, seq: 200_000 })
    rig.pass(0.1)
    expect(rig.mib).toMatchObject({ TCPChallengeACK: 1, EmbryonicRsts: 0 })
    expect(rig.listener.halfOpen).toBe(1)
  })

  it('[rfc9293#3.10.7.4] answers a wrong ACK by a RST, and waits on', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack({ ack: 12_345 })
    rig.pass(0.1)
    expect(peer.last).toMatchObject({ flags: Flag.RST, seq: 12_345 })
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(1)
  })

  it('[rfc7323#5.3] tells where it stands when an older segment comes, or one outside its window', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack({ ts: [4000, 0] })
    rig.pass(0.6)
    expect(peer.last).toMatchObject({ flags: Flag.ACK, ack: 1001 })
    expect(rig.mib.PAWSEstab).toBe(1)
    peer.ack({ seq: 1_000_000 })
    rig.pass(0.1)
    expect(flags(peer)).toEqual([SYN_ACK, Flag.ACK, Flag.ACK])
    expect(rig.accepted.length).toBe(0)
  })

  it('leaves checksums to UDP only where that was agreed on', () => {
    const rig = new ListenRig()
    const [with_, without] = [rig.peer(1).syn(), rig.peer(2).syn({ checksumOffload: false })]
    rig.pass(0.1)
    without.ack({ unsummed: true })
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(0)
    expect(rig.mib.InCsumErrors).toBe(1)
    with_.ack({ unsummed: true })
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(1)
  })

  it('is forgotten when its listener closes', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    rig.listener.close()
    // Nor does it hold the port.
    expect(rig.host.sockets.length).toBe(0)
    rig.listen()
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(0)
    expect(peer.last?.flags).toBe(Flag.RST)
    rig.pass(70)
    expect(rig.stack.sockets().length).toBe(1)
  })

  it('weighs 300 bytes at most, its place in the tables included', () => {
    const count = 20_000
    const rig = new ListenRig({ backlog: count, server: { sysctl: { somaxconn: count, tcp_max_syn_backlog: count } } })
    const flood = (): void => {
      for (let i = 0; i < count; i++) {
        // Nobody keeps the peer: only what the stack holds is weighed.
        const peer = { address: `10.8.${i >> 8}.${i & 255}`, port: 5000 } as RawPeer
        rig.throw(peer, { flags: Flag.SYN, seq: i, mss: 1448, ts: [i, 0] })
        if (i % 500 === 0) rig.pass(0.001)
      }
      rig.pass(0.1)
    }
    // Once for what grows once: code, pools, tables of others.
    flood()
    rig.pass(100)
    const before = memoryInUse()
    flood()
    expect(rig.listener.halfOpen).toBe(count)
    expect((memoryInUse() - before) / count).toBeLessThan(300)
  })
})

describe('the SYN queue', () => {
  it('without cookies holds tcp_max_syn_backlog, the last quarter of it for peers that were here before', () => {
    const rig = new ListenRig({ server: { sysctl: { tcp_syncookies: 0, tcp_max_syn_backlog: 8 } } })
    const before = rig.connect(rig.client())
    rig.until(() => rig.accepted.length === 1)
    before.endpoint.close()
    rig.accepted[0].endpoint.close()
    rig.pass(1)

    const strangers = Array.from({ length: 10 }, (_, i) => rig.peer(i).syn())
    rig.pass(0.1)
    expect(strangers.filter(({ answers }) => answers.length > 0).length).toBe(7)
    expect(rig.mib).toMatchObject({ TCPReqQFullDrop: 0, ListenDrops: 3, SyncookiesSent: 0 })

    const known = Array.from({ length: 3 }, (_, i) => rig.peerAt(before.endpoint.localAddress, 6000 + i).syn())
    rig.pass(0.1)
    expect(known.filter(({ answers }) => answers.length > 0).length).toBe(1)
    expect(rig.listener.halfOpen).toBe(8)
    expect(rig.mib).toMatchObject({ TCPReqQFullDrop: 2, ListenDrops: 5, SyncookiesSent: 0 })

    for (const peer of strangers.slice(0, 2)) peer.ack()
    rig.pass(0.1)
    strangers[9].syn()
    rig.pass(0.1)
    expect(strangers[9].answers.length).toBe(1)
  })

  it('asks old ones less often where it is filling, so that half is left to the young', () => {
    const rig = new ListenRig({ backlog: 16, server: { sysctl: { tcp_syncookies: 0 } } })
    const peers = Array.from({ length: 12 }, (_, i) => rig.peer(i).syn())
    rig.pass(100)
    // linux: none is young after a second; then each gets two more at most, until the queue is down to half.
    const counts = peers.map(({ answers }) => answers.length).sort()
    expect(counts).toEqual([3, 3, 3, 3, 6, 6, 6, 6, 6, 6, 6, 6])
  })

  it('hands connections of one turn on at once, however short the accept queue', () => {
    const rig = new ListenRig({ backlog: 1, server: { sysctl: { tcp_max_syn_backlog: 100 } } })
    const client = rig.client()
    const ends = Array.from({ length: 50 }, () => rig.connect(client))
    rig.until(() => ends.every(({ isConnected }) => isConnected))
    rig.pass(1)
    expect(rig.accepted.length).toBe(50)
  })
})

describe('numbers', () => {
  it('a record and the connection made of it begin with the same', () => {
    const rig = new ListenRig()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    const { seq } = peer.synAck
    peer.ack()
    rig.pass(0.1)
    rig.accepted[0].endpoint.write(Buffer.from('hello'))
    rig.pass(0.1)
    expect(peer.last).toMatchObject({ seq: seqAdd(seq, 1), data: 'hello' })
  })

  it('tcp_timestamps=2 counts from the start of the stack, 1 from anywhere', () => {
    const value = (tcp_timestamps: number): number => {
      const rig = new ListenRig({ server: { sysctl: { tcp_timestamps } } })
      rig.pass(7)
      const peer = rig.peer().syn()
      rig.pass(0.1)
      return peer.synAck.ts?.[0] ?? -1
    }
    expect(value(2)).toBe(7000)
    expect(value(1)).not.toBe(7000)
    expect(value(0)).toBe(-1)
  })
})
