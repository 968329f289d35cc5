import dns from 'node:dns/promises'
import { Command, InvalidArgumentError } from 'commander'
import { ExitStatus } from './exit-status.ts'
import { PingHost, type PingReport, type PingTarget } from './ping-host.ts'

interface Options {
  count: number
  interval: number
  wait: number
  tunnel?: number
  ipv4?: boolean
  ipv6?: boolean
  json?: boolean
}

/** Beside those of every command: what answers is not what was looked for. */
const NOT_SLUICE = 3
const SILENT = 4

/** `sluice ping HOST:PORT`. */
export function command(): Command {
  return new Command('ping')
    .summary('ask a port whether it speaks sluice')
    .description(
      'Tells what is at a UDP port: sluice (with its round-trip time, largest segment and what it offers), something else, nobody, or\n' +
        'silence. Asks by probes, which leave no trace at the other end, and by one SYN, which is reset when it is answered.',
    )
    .argument('<target>', 'HOST:PORT; [ADDRESS]:PORT for IPv6')
    .option('-c, --count <n>', 'probes to send', wholeNumber, 4)
    .option('-i, --interval <seconds>', 'between probes; more than ten a second are not answered', seconds, 1)
    .option('-W, --wait <seconds>', 'for answers to the last probe', seconds, 2)
    .option('--tunnel <port>', 'UDP port of the tunnel that the port is behind', port)
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--json', 'print what was found as JSON')
    .addHelpText(
      'after',
      `
Exit status: 0 it speaks sluice and the port is open, 1 refused or the host is unknown, 2 not understood, 3 it answers but not as
sluice does, 4 silence: nobody there, a firewall, or a server that is not up.

Examples:
  sluice ping server.example:8080
  sluice ping -c 1 --json '[2001:db8::1]:443'
  sluice ping server.example:5432 --tunnel 9898`,
    )
    .action(async (text: string, options: Options, command: Command) => {
      const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
      const tcpPort = Number(match?.[3])
      if (match === null || tcpPort < 1 || tcpPort > 65_535) command.error(`error: '${text}' is no HOST:PORT`)
      else process.exitCode = await ping((match[1] ?? match[2]) as string, tcpPort, options)
    })
}

async function ping(host: string, tcpPort: number, options: Options): Promise<number> {
  const say = (line: string): void => {
    if (options.json !== true) process.stdout.write(`${line}\n`)
  }
  try {
    const { address, family } = await dns.lookup(host, { family: options.ipv4 ? 4 : options.ipv6 ? 6 : 0 })
    const target: PingTarget = {
      address,
      family: family === 6 ? 6 : 4,
      port: tcpPort,
      udpPort: options.tunnel ?? tcpPort,
    }
    say(`sluice ping ${host} (${address}), UDP port ${target.udpPort}${options.tunnel ? `, TCP port ${tcpPort}` : ''}`)
    const pinger = new PingHost(target, (probe, rtt) => say(`probe ${probe + 1}: ${milliseconds(rtt)}`))
    const report = await pinger.run(options.count, options.interval * 1000, options.wait * 1000)
    if (options.json === true) process.stdout.write(`${JSON.stringify({ host, ...target, ...report }, null, 2)}\n`)
    else for (const line of describe(report, target)) say(line)
    return statusOf(report)
  } catch (error) {
    process.stderr.write(`sluice ping: ${(error as Error).message}\n`)
    return ExitStatus.Failed
  }
}

function statusOf({ verdict, open }: PingReport): number {
  if (verdict === 'not-sluice') return NOT_SLUICE
  if (verdict === 'silent') return SILENT
  return verdict === 'refused' || open === false ? ExitStatus.Failed : ExitStatus.Ok
}

function describe(report: PingReport, { port, udpPort }: PingTarget): string[] {
  switch (report.verdict) {
    case 'refused':
      return [`refused: nobody has UDP port ${udpPort}`]
    case 'not-sluice':
      return [`UDP port ${udpPort} answers, but does not speak sluice`]
    case 'silent':
      return [`silence: nobody answers at UDP port ${udpPort}; a firewall, or nothing is there`]
    default:
      return describeSluice(report, port)
  }
}

function describeSluice(report: PingReport, port: number): string[] {
  const lines = [`speaks sluice, version ${report.version}`]
  if (report.open === null) lines.push(`TCP port ${port} did not say whether it is open`)
  else if (!report.open) lines.push(`TCP port ${port} refuses connections`)
  else {
    const offers = [
      report.timestamps ? 'timestamps' : '',
      report.sack ? 'SACK' : '',
      report.windowScale === null ? '' : `window scale ${report.windowScale}`,
      report.checksumOffload ? 'checksum offload' : '',
    ].filter((offer) => offer !== '')
    const size = report.mss === null ? '' : `, MSS ${report.mss} (MTU ${report.mtu})`
    lines.push(`TCP port ${port} is open${size}`, `offers ${offers.join(', ') || 'no options'}`)
  }
  const rtts = report.rtts.filter((rtt) => rtt !== null)
  const lost = Math.round((1 - rtts.length / report.sent) * 100)
  const sum = rtts.reduce((total, rtt) => total + rtt, 0)
  const spread = [Math.min(...rtts), sum / rtts.length, Math.max(...rtts)].map((rtt) => rtt.toFixed(1)).join('/')
  const times = rtts.length === 0 ? '' : `; round trip ${spread} ms (least/mean/most)`
  lines.push(`${report.sent} probes, ${rtts.length} answered, ${lost} % lost${times}`)
  return lines
}

const milliseconds = (value: number): string => `${value.toFixed(1)} ms`

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('A whole number of at least 1 is wanted.')
}

function port(text: string): number {
  const value = wholeNumber(text)
  if (value > 65_535) throw new InvalidArgumentError('Ports go from 1 to 65535.')
  return value
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value < 1e6) return value
  throw new InvalidArgumentError('Seconds are wanted.')
}
