import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import {
  newSysctl,
  optionsFromEnvironment,
  parseSysctlFile,
  type Sysctl,
  SysctlError,
  sysctlKey,
  sysctlNames,
  sysctlRange,
  sysctlTable,
} from '../stack/index.ts'
import { ExitStatus } from './exit-status.ts'

interface SysctlOptions {
  all?: boolean
  write?: boolean
  load?: string[]
  json?: boolean
  values?: boolean
  names?: boolean
  binary?: boolean
  pattern?: string
  ignore?: boolean
  quiet?: boolean
}

/** `sluice sysctl [-a] [-w] [-p FILE] [--json] [NAME[=VALUE] …]`. */
export function command(): Command {
  return new Command('sysctl')
    .summary('the parameters of a stack: show them, and try settings')
    .description(
      'Shows the parameters that a stack started from here would have: the defaults, changed by SLUICE_SYSCTL, then by each -p FILE,\n' +
        'then by NAME=VALUE. All settings are checked before the first takes effect. To keep them, put them into SLUICE_SYSCTL or\n' +
        'give them to new Stack({ sysctl }).',
    )
    .argument('[settings...]', 'NAME to show, NAME=VALUE to set; net.ipv4. and net.core. may stand before a name')
    .option('-a, --all', 'show every parameter (also -A, -X)')
    .option('-w, --write', 'every argument is NAME=VALUE')
    .option(
      '-p, --load <file>',
      'read settings from a file; may be given more than once',
      (file, files: string[] = []) => [...files, file],
    )
    .option('-n, --values', 'print values only')
    .option('-N, --names', 'print names only')
    .option('-b, --binary', 'print values only, without a line end')
    .option('-r, --pattern <regex>', 'only what matches')
    .option('-e, --ignore', 'pass over names that there are not')
    .option('-q, --quiet', 'do not print what is set')
    .option('--json', 'print JSON: value, default, unit, range, scope, meaning and source of each')
    .action((settings: string[], options: SysctlOptions) => {
      try {
        process.stdout.write(run(settings, options))
      } catch (error) {
        process.stderr.write(`sluice sysctl: ${(error as Error).message}\n`)
        process.exitCode = ExitStatus.Failed
      }
    })
}

function run(settings: readonly string[], options: SysctlOptions): string {
  const sysctl = newSysctl()
  const fromEnvironment = optionsFromEnvironment({ SLUICE_SYSCTL: process.env.SLUICE_SYSCTL }).sysctl
  if (fromEnvironment !== undefined) sysctl.assign(fromEnvironment)

  const given: [string, string][] = []
  for (const file of options.load ?? []) given.push(...parseSysctlFile(readFileSync(file, 'utf8')))
  const shown: string[] = []
  for (const setting of settings) {
    const at = setting.indexOf('=')
    if (at > 0) given.push([setting.slice(0, at).trim(), setting.slice(at + 1).trim()])
    else if (options.write === true) throw new Error(`"${setting}" must be of the form name=value`)
    else shown.push(setting)
  }
  const isKnown = (name: string): boolean => {
    if (options.ignore !== true) sysctl.get(name)
    return isThere(sysctl, name)
  }
  // sysctl.conf(5): a line that begins with - may name what there is not.
  const wanted = given.flatMap(([name, value]): [string, string][] => {
    const bare = name.replace(/^-\s*/, '')
    return (options.ignore === true || bare !== name) && !isThere(sysctl, bare) ? [] : [[bare, value]]
  })
  sysctl.assign(wanted)

  let names = options.all === true ? byKey(sysctlNames) : [...wanted.map(([name]) => name), ...shown.filter(isKnown)]
  if (names.length === 0 && given.length === 0 && shown.length === 0 && options.load === undefined) {
    throw new Error('name a parameter, or -a for all (sluice sysctl --help)')
  }
  if (options.quiet === true && options.all !== true) names.splice(0, wanted.length)
  if (options.pattern !== undefined) {
    const pattern = new RegExp(options.pattern)
    names = names.filter((name) => pattern.test(sysctlKey(name)))
  }
  return options.json === true ? json(sysctl, names) : names.map((name) => line(sysctl, name, options)).join('')
}

function isThere(sysctl: Sysctl, name: string): boolean {
  try {
    sysctl.get(name)
    return true
  } catch {
    return false
  }
}

/** In the order of the files below /proc/sys. */
const byKey = (names: readonly string[]): string[] => [...names].sort((a, b) => (sysctlKey(a) < sysctlKey(b) ? -1 : 1))

function line(sysctl: Sysctl, name: string, { values, names, binary }: SysctlOptions): string {
  const key = sysctlKey(name)
  if (binary === true) return sysctl.text(name)
  if (names === true) return `${key}\n`
  return values === true ? `${sysctl.text(name)}\n` : `${key} = ${sysctl.text(name)}\n`
}

function json(sysctl: Sysctl, names: readonly string[]): string {
  const rows = names.map((given) => {
    const name = sysctlNames.find((candidate) => sysctlKey(candidate) === sysctlKey(given))
    if (name === undefined) throw new SysctlError(given, undefined, 'there is no such parameter')
    const { unit, scope, meaning, source } = sysctlTable[name]
    return {
      name: sysctlKey(name),
      value: sysctl.get(name),
      default: sysctl.default(name),
      unit,
      range: sysctlRange(name),
      scope,
      meaning,
      source,
    }
  })
  return `${JSON.stringify(rows, null, 2)}\n`
}
