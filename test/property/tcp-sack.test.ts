import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateSampler } from '../../src/congestion/index.ts'
import { AckResult } from '../../src/tcp/loss/ack-result.ts'
import { applySack } from '../../src/tcp/loss/sack.ts'
import { Scoreboard } from '../../src/tcp/scoreboard.ts'
import { Sent } from '../../src/tcp/sent-segment.ts'
import { Segment, type Seq, seqAdd, toSeq } from '../../src/wire/index.ts'

const FIRST = toSeq(2 ** 31 - 40)

/** Blocks of an ACK, in bytes from the first; acknowledgements in sequence; segments sent; the peer takes everything back. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.tuple(fc.nat(130), fc.integer({ min: 1, max: 60 })), { maxLength: 4 }) },
  { weight: 2, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 7 }) }) },
  { weight: 1, arbitrary: fc.record({ acked: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant('reneges' as const) },
)

describe('selective acknowledgements', () => {
  it('[rfc2018#5] mark what a block covers whole, though blocks that came before are not looked at again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 8 }), fc.array(step), (lengths, steps) => {
        const board = new Scoreboard()
        board.reno = false
        const ack = new AckResult()
        const sampler = new RateSampler()
        const expected = new Set<number>()
        let nxt: Seq = FIRST
        const send = (length: number): void => {
          board.push(nxt, seqAdd(nxt, length), 0, 0)
          nxt = seqAdd(nxt, length)
        }
        for (const length of lengths) send(length)
        for (const one of steps) {
          const una = board.isEmpty ? nxt : board.at(board.head).seq
          if (one === 'reneges') {
            board.markAllLost(true)
            expected.clear()
          } else if ('send' in one) send(one.send)
          else if ('acked' in one) for (let i = 0; i < one.acked && !board.isEmpty; i++) board.pop()
          else {
            const seg = new Segment()
            for (const [from, length] of one) {
              seg.sack[seg.sackCount * 2] = seqAdd(FIRST, from)
              seg.sack[seg.sackCount * 2 + 1] = seqAdd(FIRST, from + length)
              seg.sackCount++
            }
            ack.reset(sampler, 0, una, board.inFlight, una, 0)
            const before = board.sackedOut
            applySack(board, seg, una, nxt, una, ack)
            for (let position = board.head; position < board.tail; position++) {
              const [start, end] = [board.at(position).seq - FIRST, board.at(position).end - FIRST]
              const [low, high] = [(una - FIRST) | 0, (nxt - FIRST) | 0]
              const covers = ([from, length]: [number, number]) =>
                from >= low && from + length <= high && from <= (start | 0) && (end | 0) <= from + length
              if (one.some(covers)) expected.add(position)
            }
            expect(board.sackedOut - before).toBe(ack.sacked)
          }
          for (let position = board.head; position < board.tail; position++)
            expect((board.at(position).state & Sent.Sacked) !== 0, `segment ${position}`).toBe(expected.has(position))
          expect(board.recount()).toBeNull()
        }
      }),
    )
  })
})
