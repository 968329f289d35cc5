import { describe, expect, it } from 'vitest'
import { descriptorLimit } from '../../../src/stack/limits.ts'

const proc = (soft: string) => () =>
  `Limit                     Soft Limit           Hard Limit           Units
Max stack size            8388608              unlimited            bytes
Max open files            ${soft.padEnd(20)} 1048576              files
Max msgqueue size         819200               819200               bytes
`

describe('descriptorLimit', () => {
  it('reads the soft limit of this process', () => {
    expect(descriptorLimit(proc('1024'))).toBe(1024)
    expect(descriptorLimit(proc('unlimited'))).toBe(2 ** 31 - 1)
    expect(descriptorLimit(proc('9223372036854775807'))).toBe(2 ** 31 - 1)
    expect(descriptorLimit()).toBeGreaterThanOrEqual(64)
  })

  it('assumes the usual where there is nothing to read', () => {
    const missing = () => {
      throw new Error('ENOENT')
    }
    expect(descriptorLimit(missing)).toBe(4096)
    expect(descriptorLimit(() => '')).toBe(4096)
  })
})
