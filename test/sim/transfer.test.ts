import { describe, expect, it } from 'vitest'
import { randomPlan, runTransfer } from '../support/transfer.ts'

const SEEDS = 2000
const BATCH = 100

describe('transfers over random networks', () => {
  for (let first = 1; first <= SEEDS; first += BATCH) {
    it(`delivers every byte once and in order, and leaves nothing behind: seeds ${first} to ${first + BATCH - 1}`, () => {
      let delivered = 0
      for (let seed = first; seed < first + BATCH; seed++) {
        const plan = randomPlan(seed)
        runTransfer(plan)
        delivered += plan.client.size + plan.server.size
      }
      expect(delivered).toBeGreaterThan(0)
    })
  }
})
