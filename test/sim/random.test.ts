import { describe, expect, it } from 'vitest'
import { calmPlan, drawPlan } from '../support/plans.ts'
import { recoveryCounters } from '../support/recovery-counters.ts'
import { runTransfer } from '../support/transfer.ts'

const SEEDS = 3000
const CALM_SEEDS = 600
const BATCH = 100

// More of them, and fresh ones: `npm run soak`.
describe('whole lives of two stacks over random networks, with every parameter and every invariant', () => {
  const moved = new Map<string, number>(recoveryCounters.map((name) => [name, 0]))
  let done = 0

  for (let first = 1; first <= SEEDS; first += BATCH) {
    it(`deliver every byte once and in order, and leave nothing behind: seeds ${first} to ${first + BATCH - 1}`, () => {
      for (let seed = first; seed < first + BATCH; seed++) {
        const { client, server } = runTransfer(drawPlan(seed))
        const [a, b] = [client.counters(), server.counters()]
        for (const [name, count] of moved) moved.set(name, count + a[name] + b[name])
      }
      done += BATCH
    })
  }

  it('have moved every counter of the loss recovery', () => {
    expect(done).toBe(SEEDS)
    expect([...moved].filter(([, count]) => count === 0)).toEqual([])
  })
})

describe('on a network that loses and delays nothing no timer goes off and nothing is sent again but probes, whatever the parameters', () => {
  for (let first = 1; first <= CALM_SEEDS; first += BATCH) {
    it(`seeds ${first} to ${first + BATCH - 1}`, () => {
      for (let seed = first; seed < first + BATCH; seed++) {
        const { client, server, overflowed } = runTransfer(calmPlan(seed))
        for (const { mib } of [client, server]) {
          expect([seed, overflowed, mib.TCPTimeouts]).toEqual([seed, 0, 0])
          expect(mib.RetransSegs, `seed ${seed}`).toBeLessThanOrEqual(mib.TCPLossProbes)
        }
      }
    })
  }
})
