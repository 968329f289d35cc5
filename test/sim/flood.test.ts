import { describe, expect, it } from 'vitest'
import { Rng } from '../../src/impair/index.ts'
import { type Connection, State } from '../../src/tcp/index.ts'
import type { Flow } from '../../src/testing/sim/sim-link.ts'
import {
  encodeHeader,
  Flag,
  FrameKind,
  Segment,
  type Seq,
  seqAdd,
  toSeq,
  writeChecksum,
  writeShim,
} from '../../src/wire/index.ts'
import { type EndPlan, runTransfer, type TransferResult } from '../support/transfer.ts'

// Somebody who knows addresses and ports, but no sequence numbers, fires at a transfer (rfc5961): 10,000 segments a second, under the peer's name.

const SHIM = 4
const HEADER = 20
const EVERY_US = 100
const idle: EndPlan = { size: 0, chunk: 1, endsLast: true, readEveryUs: 0 }

type Shot = (out: Segment, target: Connection, rng: Rng) => number

/** Anywhere outside what the target would take for its peer's. */
function outside({ receiver }: Connection, rng: Rng): Seq {
  const far = 2 ** 22 + rng.nextInt(2 ** 31 - 2 ** 23)
  return seqAdd(receiver.rcvNxt, rng.next() < 0.5 ? far : -far)
}

const anything = (rng: Rng): Seq => toSeq(rng.nextInt(2 ** 32))

const shots: Record<string, Shot> = {
  RST: (out, target, rng) => {
    out.flags = Flag.RST
    out.seq = outside(target, rng)
    return 0
  },
  SYN: (out, _, rng) => {
    out.flags = Flag.SYN
    out.seq = anything(rng)
    out.mss = 1448
    return 0
  },
  data: (out, target, rng) => {
    out.flags = Flag.ACK
    out.seq = outside(target, rng)
    out.ack = anything(rng)
    out.wnd = rng.nextInt(65_536)
    return 1 + rng.nextInt(100)
  },
  'data with timestamps': (out, target, rng) => {
    out.hasTimestamps = true
    out.tsVal = anything(rng)
    out.tsEcr = anything(rng)
    return shots.data(out, target, rng)
  },
}
const kinds = Object.values(shots)
shots.everything = (out, target, rng) => kinds[rng.nextInt(kinds.length)](out, target, rng)

/** Four seconds of transfer, under fire at the side that is named. */
function show(target: 'sender' | 'receiver' | null, shot: Shot = shots.everything, sysctl = {}): TransferResult {
  return runTransfer(
    {
      seed: 1,
      link: { delay: 5, rate: 10_000_000, queue: 1000 },
      back: { delay: 5 },
      client: { ...idle, size: 5_000_000, chunk: 65_536, endsLast: false },
      server: idle,
      clientStack: { sysctl },
      // A small window: every shot makes the harness look at all that is in flight.
      serverStack: { sysctl: { ...sysctl, tcp_rmem: [4096, 65_536, 65_536] } },
    },
    {
      begin: ({ world, net, hosts: [a, b], connections }) => {
        if (target === null) return
        const [under, from] = target === 'sender' ? [a, b] : [b, a]
        const rng = new Rng(1)
        const out = new Segment()
        let flow: Flow | null = null
        net.link(from, under).tap = (_, way) => {
          flow = way
          return true
        }
        const fire = (): void => {
          const victim = connections()[target === 'sender' ? 0 : 1]
          if (victim?.isDone || world.nowUs > 10_000_000) return
          world.after(EVERY_US, fire)
          // A live transfer: before that a SYN is as good as the peer's.
          if (flow === null || victim === null || victim.state === State.SYN_SENT) return
          out.reset()
          out.srcPort = victim.remotePort
          out.dstPort = victim.localPort
          const payload = shot(out, victim, rng)
          const bytes = Buffer.alloc(SHIM + HEADER + 40 + payload, 0x55)
          const end = SHIM + encodeHeader(out, bytes, SHIM) + payload
          writeChecksum(bytes, SHIM, end)
          writeShim(bytes, 0, FrameKind.Segment, end - SHIM)
          under.arrive(bytes.subarray(0, end), flow)
        }
        world.after(EVERY_US, fire)
      },
    },
  )
}

describe('[rfc5961#7] out of the window, 10,000 a second: nothing but challenge ACKs, and few of them', () => {
  const calm = show(null)

  describe.each(['sender', 'receiver'] as const)('at the %s', (target) => {
    it.each(Object.keys(shots))('%s', (name) => {
      const result = show(target, shots[name])
      const [shotAt, quiet] =
        target === 'sender' ? [result.client.mib, calm.client.mib] : [result.server.mib, calm.server.mib]
      const seconds = result.durationUs / 1_000_000
      expect(shotAt.InSegs - quiet.InSegs).toBeGreaterThan(10_000 * 3)
      // Two a second, for each way to be wrong that has its own counter.
      expect(shotAt.TCPChallengeACK).toBeLessThanOrEqual(2 * seconds + 1)
      // The peer may answer a challenge that tells it something new.
      expect(shotAt.OutSegs - quiet.OutSegs).toBeLessThanOrEqual(0.02 * quiet.OutSegs + 2 * seconds + 2)
      // And the transfer has not noticed.
      expect(result.durationUs).toBeLessThan(calm.durationUs * 1.02)
      expect(result.client.mib.RetransSegs).toBe(0)
    })
  })

  it('every kind of answer is limited for the stack as well', () => {
    const { server } = show('receiver', shots.SYN, { tcp_invalid_ratelimit: 0, tcp_challenge_ack_limit: 7 })
    // Half as many to three times half as many in each second, so that nobody can count on it.
    expect(server.mib.TCPChallengeACK).toBeGreaterThan(0)
    expect(server.mib.TCPChallengeACK).toBeLessThanOrEqual(7 * 1.5 * 6)
  })
})
