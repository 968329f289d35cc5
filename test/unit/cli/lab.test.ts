import { describe, expect, it } from 'vitest'
import { command } from '../../../src/cli/lab.ts'
import { captureOutput } from '../../support/output.ts'

const output = captureOutput()

/** Exit status and what was printed. */
async function lab(...args: string[]): Promise<{ status: unknown; out: string; err: string }> {
  const before = process.exitCode
  await command().parseAsync(['node', 'lab', ...args])
  const status = process.exitCode
  process.exitCode = before
  return { status, ...output }
}

describe('sluice lab', () => {
  it.each([
    [['--loss', '1,100'], '--loss takes percentages below 100, separated by commas, not "1,100"'],
    [['--loss', '1,,2'], '--loss takes percentages below 100, separated by commas, not "1,,2"'],
    [['--seconds', 'long'], '--seconds takes a number up to 3600, not "long"'],
    [['--seconds', '0'], '--seconds takes a number up to 3600, not "0"'],
  ])('refuses %j', async (options, message) => {
    expect(await lab('cc-compare', ...options)).toEqual({ status: 2, out: '', err: `sluice lab: ${message}\n` })
  })

  it('names the experiment that has no use for an option', async () => {
    const { status, err } = await lab('cc-compare', 'handshake', '--loss', '1')
    expect({ status, err }).toEqual({ status: 2, err: 'sluice lab: handshake takes no --loss\n' })
  })

  it('shows in real time what can be, and says what that is', async () => {
    const { status, out, err } = await lab('--real', 'handshake', 'rto-backoff')
    expect({ status, out }).toEqual({ status: 2, out: '' })
    expect(err).toMatch(/^sluice lab: rto-backoff can be run in virtual time only; --real can show handshake, /)
  })

  it('goes through the losses that it is given, and fails where a claim does not hold', async () => {
    // Nobody fills 100 Mbit/s in so short a time.
    const { status, out } = await lab('cc-compare', '--loss', '1, 0.5%', '--seconds', '0.3')
    expect(out.match(/# \| [\d.]+ % \|.*/g)?.map((row) => row.slice(0, 11))).toEqual(['# | 0.5 % |', '# | 1 % | 0'])
    expect(out).toContain('✗ bbr at 0.5 % loss: at least 85 % of the rate that arrives')
    expect(status).toBe(1)
  })
})
