import { describe, expect, it } from 'vitest'
import { optionsFromEnvironment } from '../../../src/stack/index.ts'

describe('SLUICE_IMPAIR', () => {
  it('is handed on as it is', () => {
    expect(optionsFromEnvironment({ SLUICE_IMPAIR: 'profile=3g,loss=1%' })).toEqual({ impair: 'profile=3g,loss=1%' })
  })

  it('that is wrong is named', () => {
    expect(() => optionsFromEnvironment({ SLUICE_IMPAIR: 'losss=1%' })).toThrow(
      "SLUICE_IMPAIR: Unknown impairment 'losss'. Did you mean 'loss'?",
    )
  })
})
