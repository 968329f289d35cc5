import { describe, expect, it } from 'vitest'
import { ExitStatus } from '../../../src/cli/exit-status.ts'
import { run } from '../../../src/cli/program.ts'
import { captureOutput } from '../../support/output.ts'

const output = captureOutput()

describe('the command line of sluice run', () => {
  it.each([
    [['--los', '5%', '--', 'node'], "unknown option '--los'\n(Did you mean --loss?)"],
    [['--loss', '5x', '--', 'node'], "'loss' must be a probability from 0 to 1"],
    [['--profile', '3gg', '--', 'node'], "'3g'"],
    [['--in', 'los=1%', '--', 'node'], "'loss'"],
    [['--seed', 'x', '--', 'node'], '--seed <number>'],
    [['--report=xml', '--', 'node'], '--report [format]'],
    [['--loss', '5%'], 'what shall be run?'],
    [['--only', '1.2.3', '--', 'node'], 'error: --only has "1.2.3": '],
    [['--except', ':x', '--', 'node'], 'error: --except has ":x": '],
    [['--sluice', ':99999', '--', 'node'], 'error: --sluice has ":99999": ports go from 0 to 65535'],
    [['--capture', '/nowhere/f.pcapng', '--', 'node'], 'error: --capture: ENOENT'],
    [['--report-file', '/nowhere/r', '--', 'node'], 'error: --report-file: ENOENT'],
  ])('%j is not understood, and why', async (args, message) => {
    expect(await run(['run', ...args])).toBe(ExitStatus.Usage)
    expect(output.err).toContain(message)
  })

  it('lists profiles', async () => {
    expect(await run(['run', '--list-profiles'])).toBe(ExitStatus.Ok)
    expect(output.out).toMatch(/^3g +3G: /m)
  })

  it('has examples in its help', async () => {
    expect(await run(['run', '--help'])).toBe(ExitStatus.Ok)
    expect(output.out).toContain('sluice run --loss 5% --delay 100ms --seed 7 -- node app.js')
  })
})
