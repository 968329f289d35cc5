import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, vi } from 'vitest'

/** What a command printed in the test at hand, without colours: in CI there are some where there is no terminal. */
export interface Output {
  out: string
  err: string
}

/** To be called once in a file: keeps what its tests print from the terminal. */
export function captureOutput(): Output {
  const output: Output = { out: '', err: '' }
  beforeEach(() => {
    output.out = ''
    output.err = ''
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      output.out += stripVTControlCharacters(String(text))
      return true
    })
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      output.err += stripVTControlCharacters(String(text))
      return true
    })
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  return output
}
