import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scoreboard } from '../../src/tcp/scoreboard.ts'
import { Sent } from '../../src/tcp/sent-segment.ts'
import { type Seq, seqAdd, seqDiff, toSeq } from '../../src/wire/index.ts'

/** What the scoreboard is supposed to be: a list of segments with sets of marks, counted each time that somebody asks. */
interface Model {
  seq: Seq
  length: number
  sacked: boolean
  lost: boolean
  retrans: boolean
}

const at = fc.nat(1000)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('push' as const), length: fc.integer({ min: 1, max: 3000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pop' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('lost', 'sacked', 'retransmit', 'notRetrans') as fc.Arbitrary<'lost'>,
      at,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('split' as const), at, part: at }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('allLost', 'reneged', 'clearLost') as fc.Arbitrary<'allLost'> }),
  },
)

const sum = (model: readonly Model[], of: (one: Model) => boolean): [number, number] => {
  const some = model.filter(of)
  return [some.reduce((bytes, { length }) => bytes + length, 0), some.length]
}

function compare(board: Scoreboard, model: readonly Model[]): void {
  expect(board.recount()).toBeNull()
  const out = sum(model, () => true)
  const sacked = sum(model, (one) => one.sacked)
  const lost = sum(model, (one) => one.lost)
  const retrans = sum(model, (one) => one.retrans)
  expect([board.packetsOut, board.packetsOutSegs]).toEqual(out)
  expect([board.sackedOut, board.sackedOutSegs]).toEqual(sacked)
  expect([board.lostOut, board.lostOutSegs]).toEqual(lost)
  expect([board.retransOut, board.retransOutSegs]).toEqual(retrans)
  expect(board.inFlight).toBe(out[0] - sacked[0] - lost[0] + retrans[0])
  const next = model.findIndex((one) => one.lost && !one.retrans)
  expect(board.nextLost()).toBe(next < 0 ? -1 : board.head + next)
  const highest = model.findLastIndex((one) => one.sacked)
  expect(board.highestSacked).toBe(highest < 0 ? -1 : board.head + highest)
  expect(board.tail - board.head).toBe(model.length)
}

describe('Scoreboard', () => {
  it('counts as a list of segments would, whatever marks they bear', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, start) => {
        const board = new Scoreboard()
        board.reno = false
        const model: Model[] = []
        let next = toSeq(start)
        let now = 0
        for (const one of steps) {
          now++
          const index = 'at' in one && model.length > 0 ? one.at % model.length : -1
          const segment = model[index]
          const position = board.head + index
          switch (one.kind as string) {
            case 'push': {
              const { length } = one as { length: number }
              board.push(next, seqAdd(next, length), 0, now)
              model.push({ seq: next, length, sacked: false, lost: false, retrans: false })
              next = seqAdd(next, length)
              break
            }
            case 'pop':
              for (let i = 0; i < (one as { count: number }).count && model.length > 0; i++) {
                board.pop()
                model.shift()
              }
              break
            case 'trim': {
              const head = model[0]
              if (head === undefined || head.length < 2) break
              const cut = 1 + ((one as { at: number }).at % (head.length - 1))
              head.seq = seqAdd(head.seq, cut)
              head.length -= cut
              board.trimHead(head.seq)
              break
            }
            case 'lost':
              if (segment === undefined) break
              expect(board.markLost(position)).toBe(!segment.sacked && !segment.lost)
              if (!segment.sacked) segment.lost = true
              break
            case 'sacked':
              if (segment === undefined) break
              expect(board.markSacked(position)).toBe(!segment.sacked)
              Object.assign(segment, { sacked: true, lost: false, retrans: false })
              break
            case 'retransmit':
              // Only what is lost, or may be, is sent again.
              if (segment === undefined || segment.sacked) break
              board.markRetransmitted(position, now)
              segment.retrans = true
              expect(board.at(position)).toMatchObject({ xmitTs: now })
              expect(board.at(position).state & Sent.EverRetrans).not.toBe(0)
              break
            case 'notRetrans':
              if (segment === undefined) break
              board.clearRetransmitted(position)
              segment.retrans = false
              break
            case 'split': {
              if (segment === undefined || segment.length < 2) break
              const cut = 1 + ((one as { part: number }).part % (segment.length - 1))
              board.split(position, cut)
              model.splice(
                index,
                1,
                { ...segment, length: cut },
                { ...segment, seq: seqAdd(segment.seq, cut), length: segment.length - cut },
              )
              break
            }
            case 'allLost':
            case 'reneged': {
              const reneged = one.kind === ('reneged' as string)
              board.markAllLost(reneged)
              for (const each of model) {
                if (reneged) each.sacked = false
                each.retrans = false
                each.lost = !each.sacked
              }
              break
            }
            default:
              board.clearLost()
              for (const each of model) each.lost = false
          }
          compare(board, model)
          if (model.length > 0) {
            const middle = model[model.length >> 1]
            expect(board.find(middle.seq)).toBe(board.head + (model.length >> 1))
            expect(board.covers(model[0].seq, next)).toBe(true)
            expect(seqDiff(board.at(board.tail - 1).end, next)).toBe(0)
          }
        }
      }),
      { numRuns: 400 },
    )
  })

  it('without SACK never counts more as arrived than can have', () => {
    const renoStep = fc.oneof(
      fc.record({ kind: fc.constant('push'), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('duplicates'), count: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant('acked'), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('lost'), count: fc.nat(10) }),
    )
    fc.assert(
      fc.property(fc.array(renoStep, { maxLength: 60 }), fc.integer({ min: 1, max: 1500 }), (steps, mss) => {
        const board = new Scoreboard()
        let next = toSeq(0)
        for (const { kind, count } of steps) {
          if (kind === 'push') {
            for (let i = 0; i < count; i++) {
              // Some are smaller than the rest.
              const length = i === 0 ? Math.ceil(mss / 2) : mss
              board.push(next, seqAdd(next, length), 0, 0)
              next = seqAdd(next, length)
            }
          } else if (kind === 'duplicates') board.addRenoSacks(count, mss)
          else if (kind === 'acked') {
            const acked = Math.min(count, board.tail - board.head)
            for (let i = 0; i < acked; i++) board.pop()
            if (acked > 0) board.removeRenoSacks(acked, mss)
          } else if (count < board.tail - board.head) {
            board.markLost(board.head + count)
            board.addRenoSacks(0, mss)
          }
          expect(board.inFlight).toBeGreaterThanOrEqual(0)
          expect(board.inFlightSegs).toBeGreaterThanOrEqual(0)
          expect(board.sackedOutSegs).toBeLessThanOrEqual(Math.max(0, board.packetsOutSegs - 1))
          expect(board.recount()).toBeNull()
        }
      }),
      { numRuns: 300 },
    )
  })
})
