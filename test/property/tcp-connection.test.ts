import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { State } from '../../src/tcp/index.ts'
import { type Arrival, established, type Script, type ScriptOptions, synReceived, synSent } from '../support/script.ts'

// Whatever a peer, or somebody who poses as one, sends, in any state and order: nothing throws, nothing is sent that was not written or beyond the
// window, the invariants of the connection hold after every step (the script sees to all of these), and nothing draws more than one answer.

const near = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -most, max: most }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  )

const arrival = fc.record({
  flags: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('.', 'P.', 'F.', 'FP.') },
    fc.constantFrom('S', 'S.', 'R', 'R.', '', 'SF', 'SR', 'F', 'UP.', 'SFRPUEW.'),
  ),
  seq: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, near(70_000)),
  ack: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, near(20_000)),
  wnd: fc.oneof(fc.constantFrom(0, 1, 500, 65_535), fc.nat(65_535)),
  len: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3000 })),
  sack: fc.array(fc.tuple(near(20_000), near(20_000)), { maxLength: 4 }),
  ts: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.tuple(near(1e9), near(1e9)), fc.constant(null)),
})

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('arrives' as const), arrival }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.oneof(fc.nat(1000), fc.nat(200_000)) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 20_000 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'read' as const }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...(['end', 'close', 'abort', 'refuse', 'keepalive', 'block', 'mtu'] as const))
      .map((kind) => ({ kind })),
  },
)

const begin: readonly (readonly [string, (options: ScriptOptions) => Script])[] = [
  ['an open connection', established],
  ['a connection being opened', synSent],
  ['a connection being accepted', synReceived],
]

type Placed = typeof arrival extends fc.Arbitrary<infer T> ? T : never
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Relative to where the connection stands, so that much of it is believable. */
function placed(script: Script, { seq, ack, sack, ts, ...rest }: Placed): Arrival {
  const { receiver, sender } = script.c
  const [nxt, una] = [receiver.rcvNxt - receiver.irs, sender.sndUna - sender.iss]
  return {
    ...rest,
    ts: ts as [number, number] | null | undefined,
    seq: script.c.state === State.SYN_SENT ? seq : (nxt + seq) | 0,
    ack: (una + ack) | 0,
    sack: sack.map(([start, end]) => [(una + start) | 0, (una + end) | 0]),
  }
}

describe('a connection', () => {
  it.each(begin)('survives anything: %s', (_, make) => {
    const options = fc.record({
      sack: fc.boolean(),
      timestamps: fc.boolean(),
      wscale: fc.constantFrom(undefined, 0, 7),
      rcvbuf: fc.constantFrom(undefined, 3000),
    })
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 50 }), ({ rcvbuf, ...offers }, steps) => {
        const s = make({ ...offers, connection: { rcvbuf } })
        s.peer.mayRound = true
        for (const one of steps) apply(s, one)
        expect(s.c.check()).toBeNull()
        // Left alone it comes to an end, or to rest.
        s.blocked = false
        s.pull()
          .close()
          .elapse(s.t + 4_000_000)
          .drain()
        expect([State.CLOSE, State.TIME_WAIT]).toContain(s.c.state)
      }),
      { numRuns: 150 },
    )
  })
})

function apply(s: Script, one: Step): void {
  switch (one.kind) {
    case 'arrives': {
      s.inject(placed(s, one.arrival))
      const answers = s.drain().filter(({ len, flags }) => len === 0 && !/[SF]/.test(flags))
      expect(answers.length).toBeLessThanOrEqual(1)
      break
    }
    case 'wait':
      s.elapse(s.t + one.ms)
      break
    case 'write':
      s.tryWrite(one.bytes)
      break
    case 'read':
      s.readAll()
      break
    case 'keepalive':
      s.do((c, now) => c.setKeepalive(true, now))
      break
    case 'block':
      s.blocked = !s.blocked
      s.pull()
      break
    case 'mtu':
      s.do((c, now) => c.setMaxSegment(c.maxSegment === 1480 ? 600 : 1480, now))
      break
    default:
      s[one.kind]()
  }
  s.drain()
}
