import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AckResult } from '../../src/tcp/loss/ack-result.ts'
import { Sender } from '../../src/tcp/sender.ts'
import { Sent } from '../../src/tcp/sent-segment.ts'
import { Flag, type Seq, seqAdd, seqDiff } from '../../src/wire/index.ts'

// Full segments that leave together share a record until somebody tells one from another: two senders do the same, one of them with a record for
// each segment, and nothing tells them apart.

const SIZE = 100
const step = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('single' as const), length: fc.integer({ min: 1, max: SIZE }) }),
  fc.record({ kind: fc.constant('ack' as const), segments: fc.integer({ min: 1, max: 12 }), part: fc.boolean() }),
  fc.record({ kind: fc.constant('ack' as const), segments: fc.integer({ min: 1, max: 60 }), part: fc.constant(false) }),
  fc.record({
    kind: fc.constantFrom('sack' as const, 'lose' as const, 'again' as const, 'cut' as const),
    where: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  fc.constant({ kind: 'allLost' as const }),
)

function newSender(): Sender {
  const sender = new Sender(1 << 20)
  sender.start(0x7fff_f000 as Seq)
  sender.board.reno = false
  sender.write(Buffer.alloc(1 << 19))
  return sender
}

/** The records, each segment by itself, as they are now. */
function recordsOf({ board }: Sender): object[] {
  const records: object[] = []
  for (let position = board.head; position < board.tail; position++) {
    const { older, younger, ...record } = board.at(position)
    records.push({ ...record, size: 0, older: older?.seq, younger: younger?.seq })
  }
  return records
}

/** What one acknowledgement told, without what the sampler of each keeps. */
const told = (ack: AckResult): object => ({ ...ack })

describe('a record for a run', () => {
  it('is as good as one for each segment', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const [runs, singles] = [newSender(), newSender()]
        const both = [runs, singles]
        const acks = [new AckResult(), new AckResult()]
        let now = 1000
        for (const one of steps) {
          now += 7
          switch (one.kind) {
            case 'run':
              // As `sendRun` does: nothing is selectively acknowledged or lost.
              if (runs.board.sackedOutSegs > 0 || runs.board.lostOutSegs > 0) break
              for (let i = 0; i < one.count; i++) {
                runs.onRunSent(SIZE, i > 0, now)
                singles.onSent(SIZE, Flag.ACK, SIZE, now)
              }
              break
            case 'single':
              for (const sender of both) sender.onSent(one.length, Flag.ACK, SIZE, now)
              break
            case 'ack': {
              const outstanding = seqDiff(runs.sndNxt, runs.sndUna)
              const bytes = Math.min(one.segments * SIZE - (one.part ? 37 : 0), outstanding)
              if (bytes <= 0) break
              const results = both.map((sender, i) => {
                const { board, sampler, sndUna } = sender
                acks[i].reset(sampler, now, sndUna, board.inFlight, board.highestSackedSeq(sndUna), 5)
                sender.onAck(seqAdd(sndUna, bytes), sndUna, acks[i])
                const sample = { now: 0 } as Parameters<typeof sampler.generate>[0]
                sampler.generate(sample, now, acks[i].delivered, 0, 5)
                return { ...told(acks[i]), ...sample, una: sender.sndUna }
              })
              expect(results[0]).toEqual(results[1])
              break
            }
            case 'allLost':
              for (const { board } of both) board.markAllLost(false)
              break
            default:
              for (const { board } of both) {
                if (board.isEmpty) break
                const position = board.head + Math.floor(one.where * (board.tail - board.head))
                if (one.kind === 'sack') board.markSacked(position)
                else if (one.kind === 'lose') board.markLost(position)
                else if (one.kind === 'cut') {
                  if (board.at(position).length > 10) board.split(position, 10)
                } else if ((board.at(position).state & Sent.Sacked) === 0 && board.markLost(position))
                  board.markRetransmitted(position, now)
              }
          }
          const counts = both.map(({ board }) => [
            [board.packetsOut, board.packetsOutSegs, board.sackedOut, board.sackedOutSegs, board.lostOut],
            [board.lostOutSegs, board.retransOut, board.retransOutSegs, board.inFlight],
          ])
          expect(counts[0]).toEqual(counts[1])
          expect([runs.board.recount(), runs.board.covers(runs.sndUna, runs.sndNxt)]).toEqual([null, true])
        }
        expect(recordsOf(runs)).toEqual(recordsOf(singles))
        expect(runs.board.recount()).toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})
