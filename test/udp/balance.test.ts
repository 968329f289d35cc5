import { describe, expect, it } from 'vitest'
import { cluster } from '../../scripts/shows-balance.ts'

type Check = (verdict: (ok: boolean, text: string) => void) => Promise<void>

/** A show in small: what it found wrong. */
async function failures(show: Check): Promise<string[]> {
  const wrong: string[] = []
  let checks = 0
  await show((ok, text) => {
    checks++
    if (!ok) wrong.push(text)
  })
  expect(checks).toBeGreaterThan(0)
  return wrong
}

describe('several servers on one port', () => {
  it('each keep their connections while workers of the cluster join, leave and are killed', async () => {
    expect(await failures((verdict) => cluster(verdict, 2, 40))).toEqual([])
  })
})
