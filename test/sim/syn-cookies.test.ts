import { describe, expect, it } from 'vitest'
import { seqAdd } from '../../src/wire/index.ts'
import { Flag, ListenRig, type RawPeer } from '../support/listen-rig.ts'

const always = { server: { sysctl: { tcp_syncookies: 2 } } }

/** A rig whose SYN queue is full. */
function flooded(sysctl: Record<string, unknown> = {}): ListenRig {
  const rig = new ListenRig({ backlog: 8, server: { sysctl } })
  for (let i = 0; i < 8; i++) rig.peer(1000 + i).syn()
  rig.pass(0.01)
  expect(rig.listener.halfOpen).toBe(8)
  return rig
}

describe('SYN cookies', () => {
  it('[rfc4987#3.6] stand in when the SYN queue is full, and nothing is kept', () => {
    const rig = flooded()
    const peer = rig.peer().syn()
    rig.pass(0.1)
    expect(rig.listener.halfOpen).toBe(8)
    expect(rig.mib).toMatchObject({ SyncookiesSent: 1, TCPReqQFullDoCookies: 1, TCPReqQFullDrop: 0, ListenDrops: 0 })
    peer.ack({ data: 'hello' })
    rig.pass(0.1)
    expect(rig.accepted[0].received).toBe(5)
    expect(rig.mib).toMatchObject({ SyncookiesRecv: 1, SyncookiesFailed: 0, PassiveOpens: 1 })
  })

  it('tcp_syncookies=0 never sends one, 2 always', () => {
    const never = flooded({ tcp_syncookies: 0 })
    const peer = never.peer().syn()
    never.pass(0.1)
    expect(peer.answers).toEqual([])
    expect(never.mib).toMatchObject({ SyncookiesSent: 0, TCPReqQFullDrop: 1, ListenDrops: 1 })
    const rig = new ListenRig(always)
    rig.peer().syn()
    rig.pass(0.1)
    expect(rig.mib.SyncookiesSent).toBe(1)
    expect(rig.listener.halfOpen).toBe(0)
  })

  it('bring window scaling, SACK, timestamps and our checksum offload back from the echoed timestamp', () => {
    for (const wscale of [-1, 0, 7, 14]) {
      for (const sackPermitted of [true, false]) {
        for (const checksumOffload of [true, false]) {
          const rig = new ListenRig(always)
          rig.pass(3.333)
          const peer = rig.peer().syn({ wscale, sackPermitted, checksumOffload })
          rig.pass(0.1)
          peer.ack({ unsummed: checksumOffload })
          rig.pass(0.1)
          const info = rig.accepted[0].endpoint.info()
          expect(info.options).toBe(1 | (sackPermitted ? 2 : 0) | (wscale < 0 ? 0 : 4))
          if (wscale >= 0) expect(info.snd_wscale).toBe(wscale)
          expect(rig.accepted[0].endpoint.connection.checksumOffload).toBe(checksumOffload)
        }
      }
    }
  })

  it('without timestamps there is room for none of them', () => {
    const rig = new ListenRig(always)
    const peer = rig.peer().syn({ ts: null })
    rig.pass(0.1)
    expect(peer.synAck).toMatchObject({ wscale: -1, sackPermitted: false, checksumOffload: false, ts: null })
    peer.ack({ unsummed: true })
    rig.pass(0.1)
    expect(rig.accepted.length).toBe(0)
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted[0].endpoint.info().options).toBe(0)
  })

  it('carry a segment size that is never more than the peer takes', () => {
    for (const [mss, expected] of [
      [-1, 536],
      [200, 536],
      [536, 536],
      [1000, 536],
      [1220, 1220],
      [1447, 1428],
      [1448, 1448],
      [9000, 7656],
      [65_000, 32_232],
      [65_483, 65_463],
      [65_495, 65_463],
    ]) {
      const rig = new ListenRig({ server: { sysctl: { tcp_syncookies: 2 }, mtu: 65_535 } })
      const peer = rig.peer().syn({ mss, ts: null })
      rig.pass(0.1)
      peer.ack()
      rig.pass(0.1)
      expect(rig.accepted[0].endpoint.info().snd_mss).toBe(expected)
    }
  })

  it('the timestamp that carries one is never ahead of the clock, nor behind by more than its bits', () => {
    for (let ms = 0; ms < 300; ms += 7) {
      const rig = new ListenRig({ server: { sysctl: { tcp_syncookies: 2, tcp_timestamps: 2 } } })
      rig.pass(10 + ms / 1000)
      const peer = rig.peer().syn()
      rig.pass(0.01)
      const [value] = peer.synAck.ts as [number, number]
      expect(value).toBeLessThanOrEqual(10_000 + ms)
      expect(value).toBeGreaterThan(10_000 + ms - 128)
    }
  })

  it('a wrong one draws a RST and is counted: of another peer, another port, another number', () => {
    const rig = new ListenRig(always)
    const peer = rig.peer(1).syn()
    rig.pass(0.1)
    const { seq } = peer.synAck
    // `rig.peer(1)` hears for the address from here on.
    const wrong = [rig.peer(2), rig.peer(1, 5001), rig.peer(1)]
    const deltas = [0, 0, 100]
    for (const [i, other] of wrong.entries()) {
      other.send({ flags: Flag.ACK, seq: 1001, ack: seq + 1 + deltas[i] })
      rig.pass(0.1)
      expect(other.last).toMatchObject({ flags: Flag.RST, seq: seqAdd(seq, 1 + deltas[i]) })
    }
    expect(rig.mib).toMatchObject({ SyncookiesFailed: 3, SyncookiesRecv: 0 })
  })

  it('are not looked at where none was sent lately', () => {
    const rig = new ListenRig()
    rig.peer().send({ flags: Flag.ACK, seq: 1001, ack: 77 })
    rig.pass(0.1)
    expect(rig.mib.SyncookiesFailed).toBe(0)
    expect(rig.mib.OutRsts).toBe(1)
  })

  it('last for a minute at least and for little more than two, through changes of the secret', () => {
    // The secret changes every 512 s: some of these lie right before that.
    for (const start of [1, 300, 447, 470, 505, 511, 1020]) {
      const holds = (seconds: number): boolean => {
        const rig = new ListenRig(always)
        rig.pass(start)
        const peer = rig.peer().syn()
        rig.pass(seconds)
        // So that one was sent lately.
        rig.peer(9).syn()
        rig.pass(0.01)
        peer.ack()
        rig.pass(0.1)
        return rig.accepted.length === 1
      }
      expect(holds(0.1)).toBe(true)
      expect(holds(63)).toBe(true)
      expect(holds(129)).toBe(false)
      expect(holds(700)).toBe(false)
    }
  })

  it('a retransmitted SYN-ACK costs nothing: none is', () => {
    const rig = new ListenRig(always)
    const peer = rig.peer().syn()
    rig.pass(100)
    expect(peer.answers.length).toBe(1)
    expect(rig.mib).toMatchObject({ TCPSynRetrans: 0 })
  })

  it.each([1, 2])('never answer with more than a fifth above what came: tcp_syncookies=%i', (tcp_syncookies) => {
    const rig = new ListenRig({ backlog: 1, server: { sysctl: { tcp_syncookies } } })
    rig.peer(999).syn()
    rig.pass(100)
    const forms: Parameters<RawPeer['syn']>[0][] = [
      {},
      { ts: null },
      { ts: null, wscale: -1 },
      { ts: null, wscale: -1, sackPermitted: false, checksumOffload: false },
      { ts: null, wscale: -1, sackPermitted: false, checksumOffload: false, mss: -1 },
      { mss: -1, wscale: -1, sackPermitted: false, checksumOffload: false },
    ]
    for (const [i, form] of forms.entries()) {
      const before = [rig.bytesIn, rig.bytesOut]
      for (let j = 0; j < 100; j++) rig.peer(i * 100 + j).syn(form)
      rig.pass(0.1)
      const [bytesIn, bytesOut] = [rig.bytesIn - before[0], rig.bytesOut - before[1]]
      expect(bytesOut).toBeGreaterThan(0)
      expect(bytesOut).toBeLessThanOrEqual(bytesIn * 1.2)
    }
  })

  it('a stack on the other end notices nothing: it transfers with everything on', () => {
    const rig = flooded()
    const client = rig.connect(rig.client())
    rig.until(() => client.isConnected)
    const data = Buffer.alloc(300_000, 'x')
    let left = data.length
    client.writable = () => {
      left -= client.endpoint.write(data.subarray(0, left))
    }
    client.writable()
    rig.until(() => rig.accepted[0]?.received === data.length)
    expect(rig.mib.SyncookiesRecv).toBe(1)
    expect(client.endpoint.info().options).toBe(7)
    expect(rig.accepted[0].endpoint.info().options).toBe(7)
    expect(client.endpoint.connection.checksumOffload).toBe(true)
    expect(client.endpoint.info().total_retrans).toBe(0)
  })
})
