import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import manifest from '../../../package.json' with { type: 'json' }
import { ExitStatus } from '../../../src/cli/exit-status.ts'
import { run } from '../../../src/cli/program.ts'
import type { Subcommand } from '../../../src/cli/subcommands.ts'
import { captureOutput } from '../../support/output.ts'

const output = captureOutput()

/** Two subcommands, and a record of what was loaded and run. */
function fixture(): { known: Subcommand[]; loaded: string[]; ran: string[] } {
  const loaded: string[] = []
  const ran: string[] = []
  const make = (name: string): Subcommand => ({
    name,
    summary: `does ${name}`,
    async load() {
      loaded.push(name)
      const command = (): Command =>
        new Command(name)
          .description(`does ${name}, at length`)
          .option('--count <n>', 'how many')
          .argument('[word]')
          .action((word: string | undefined, options: { count?: string }) => {
            ran.push([name, word, options.count].join(' '))
          })
      return { command }
    },
  })
  return { known: [make('one'), make('two')], loaded, ran }
}

describe('sluice', () => {
  it('prints the version of package.json', async () => {
    expect(await run(['--version'])).toBe(ExitStatus.Ok)
    expect(output.out).toBe(`${manifest.version}\n`)
  })

  it('lists the subcommands in its help, and loads none of them', async () => {
    const { known, loaded } = fixture()
    expect(await run(['--help'], known)).toBe(ExitStatus.Ok)
    expect(output.out).toMatch(/^Usage: sluice/)
    expect(output.out).toMatch(/one +does one\n +two +does two\n/)
    expect(loaded).toEqual([])
  })

  it('prints help to stderr and reports misuse when nothing is asked', async () => {
    expect(await run([])).toBe(ExitStatus.Usage)
    expect(output.err).toMatch(/^Usage: sluice/)
    expect(output.out).toBe('')
  })

  it('loads and runs the subcommand that is named, and no other', async () => {
    const { known, loaded, ran } = fixture()
    expect(await run(['two', 'word', '--count', '3'], known)).toBe(ExitStatus.Ok)
    expect(loaded).toEqual(['two'])
    expect(ran).toEqual(['two word 3'])
  })

  it.each([
    ['help', 'one'],
    ['one', '--help'],
  ])('prints the whole help of a subcommand: %s %s', async (...args) => {
    const { known, loaded, ran } = fixture()
    expect(await run(args, known)).toBe(ExitStatus.Ok)
    expect(output.out).toMatch(/^Usage: sluice one/)
    expect(output.out).toContain('at length')
    expect(loaded).toEqual(['one'])
    expect(ran).toEqual([])
  })

  it.each([
    ['an unknown command', ['three'], "unknown command 'three'"],
    ['an unknown option', ['--three'], "unknown option '--three'"],
    ['an unknown option of a command', ['one', '--three'], "unknown option '--three'"],
    ['too many arguments', ['one', 'a', 'b'], 'too many arguments'],
  ])('says what it did not understand, with a status of its own: %s', async (_, args, message) => {
    const { known, ran } = fixture()
    expect(await run(args, known)).toBe(ExitStatus.Usage)
    expect(output.err).toContain(message)
    expect(output.out).toBe('')
    expect(ran).toEqual([])
  })
})
