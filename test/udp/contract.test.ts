import { expect, it } from 'vitest'
import { allowed } from '../../compat/contract/allowed.ts'
import { explain } from '../../compat/contract/compare.ts'
import { runSuite } from '../../compat/contract/suite.ts'

// `npm run compat` says more about it, and runs it on other Nodes.

it('is the same to 400 programs as the net of this Node, but for what is allowed', { timeout: 300_000 }, async () => {
  const { results, unused } = await runSuite()
  const differences = results.flatMap(({ program, differences }) =>
    differences.map((one) => `${program}\n${explain(one)}`),
  )
  expect(differences.join('\n')).toBe('')
  expect(unused.map(({ name }) => name)).toEqual([])
  expect(results.length).toBeGreaterThanOrEqual(400)
  expect(new Set(results.map(({ program }) => program)).size).toBe(results.length)
})

it('allows few differences, each for a reason', () => {
  expect(allowed.length).toBeLessThanOrEqual(15)
  expect(new Set(allowed.map(({ name }) => name)).size).toBe(allowed.length)
  for (const { reason } of allowed) expect(reason.length).toBeGreaterThan(40)
})
