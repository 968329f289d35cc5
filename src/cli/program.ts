import { Command, CommanderError } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { ExitStatus } from './exit-status.ts'
import { type Subcommand, subcommands } from './subcommands.ts'

/** Runs the command line `args` (without node and script), and returns the exit status. */
export async function run(args: readonly string[], known: readonly Subcommand[] = subcommands): Promise<number> {
  const program = new Command('sluice')
    .description('TCP inside UDP: a net for Node.js with a TCP of its own')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help, of the command if one is named')
    .showHelpAfterError('(sluice --help lists what there is)')
    .enablePositionalOptions()
    .exitOverride()
  const wanted = chosen(args)
  for (const subcommand of known) {
    if (subcommand.name === wanted) program.addCommand((await subcommand.load()).command().exitOverride())
    else program.command(subcommand.name).description(subcommand.summary)
  }
  if (args.length === 0) {
    program.outputHelp({ error: true })
    return ExitStatus.Usage
  }
  try {
    if (wanted !== undefined && !known.some(({ name }) => name === wanted))
      program.error(`error: unknown command '${wanted}'`)
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version end by an exception too, with status 0.
    return error.exitCode === 0 ? ExitStatus.Ok : ExitStatus.Usage
  }
  return Number(process.exitCode ?? ExitStatus.Ok)
}

/** The subcommand that a command line names: its first word that is no option, or the word after `help`. */
function chosen(args: readonly string[]): string | undefined {
  const words = args.filter((arg) => !arg.startsWith('-'))
  return words[0] === 'help' ? words[1] : words[0]
}
