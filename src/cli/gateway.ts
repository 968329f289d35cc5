import { Command, InvalidArgumentError } from 'commander'
import {
  createGateway,
  formatGatewayAddress,
  type Gateway,
  type GatewayAddress,
  parseGatewayAddress,
} from '../gateway/index.ts'
import { optionsFromEnvironment, Stack, type StackOptions } from '../stack/index.ts'
import { ExitStatus } from './exit-status.ts'

interface Options {
  listen: GatewayAddress[]
  to: GatewayAddress[]
  impair?: string
  seed?: number
  proxyProtocol?: 1 | 2
  acceptProxy?: boolean
  stats?: number | true
  grace: number
  json?: boolean
  quiet?: boolean
}

/** `sluice gateway --listen END --to END …`. */
export function command(): Command {
  return new Command('gateway')
    .summary('relay between the kernel’s TCP and sluice')
    .description(
      'Relays connections between the kernel’s TCP and sluice, either way, for programs that know nothing of sluice. An END is\n' +
        'tcp:[HOST:]PORT or sluice:[HOST:]PORT[@UDPPORT], where @UDPPORT is the UDP port of a tunnel. --listen and --to may be given\n' +
        'several times, in pairs. Ends of connections, resets and backpressure are handed on; a client whose target refuses is reset.',
    )
    .requiredOption('-l, --listen <end>', 'where clients come', collect)
    .requiredOption('-t, --to <end>', 'where they are led', collect)
    .option('--impair <spec>', 'impair the sluice side: loss=5%,delay=100ms (default: SLUICE_IMPAIR)')
    .option('--seed <number>', 'of the impairment’s choices', wholeNumber)
    .option('--proxy-protocol <version>', 'tell targets the client’s address by the PROXY protocol, 1 or 2', version)
    .option('--accept-proxy', 'expect that header from clients, and take their address from it')
    .option('--stats [seconds]', 'a line of counters each so many seconds (default: 10), and at the end', seconds)
    .option('--grace <seconds>', 'after SIGINT or SIGTERM, how long connections may go on', seconds, 5)
    .option('--json', 'print what happens as JSON, one object a line')
    .option('-q, --quiet', 'say nothing but what fails for good')
    .addHelpText(
      'after',
      `
A signal stops it: no new clients then, and those that it has may finish, for --grace seconds or until a second signal.
Exit status: 0 stopped by a signal, 1 could not listen, 2 not understood.

Examples:
  sluice gateway --listen tcp:8080 --to sluice:server.example:80
                                   curl http://localhost:8080 reaches a sluice server
  sluice gateway --listen sluice:6379 --to tcp:127.0.0.1:6379
                                   an untouched Redis serves sluice clients
  sluice gateway --listen tcp:5432 --to sluice:host:5432@9898 --proxy-protocol 2
  sluice gateway --listen sluice:5432@9898 --to tcp:5432 --accept-proxy
                                   two ends of a tunnel through one UDP port; the second takes the client's address from the first
  sluice gateway --listen tcp:8080 --to sluice:host:80 --impair loss=5%,delay=100ms --seed 7`,
    )
    .action(async (options: Options, command: Command) => {
      if (options.listen.length !== options.to.length) {
        command.error(`error: ${options.listen.length} --listen and ${options.to.length} --to: they go in pairs`)
      }
      process.exitCode = await serve(options, command)
    })
}

async function serve(options: Options, command: Command): Promise<ExitStatus> {
  const report = new Report(options)
  const stacks = new Stacks(options)
  try {
    stacks.default()
  } catch (error) {
    command.error(`error: ${(error as Error).message}`)
  }
  const gateways: Gateway[] = []
  const began = options.listen.map((listen, i) => {
    const to = options.to[i] as GatewayAddress
    const { proxyProtocol, acceptProxy } = options
    const gateway = createGateway({ listen, to, stack: stacks.for(listen), proxyProtocol, acceptProxy })
    gateways.push(gateway)
    gateway.on('failed', (error, client) => report.failed(to, error, `${client.address}:${client.port}`))
    return new Promise<void>((resolve, reject) => {
      gateway.once('error', reject)
      gateway.once('listening', () => {
        report.listening({ ...listen, port: gateway.address()?.port ?? listen.port }, to)
        resolve()
      })
    })
  })
  try {
    await Promise.all(began)
  } catch (error) {
    process.stderr.write(`sluice gateway: ${(error as Error).message}\n`)
    await Promise.all(gateways.map((gateway) => gateway.close({ abort: true })))
    await stacks.close()
    return ExitStatus.Failed
  }
  const period = options.stats === true ? 10 : options.stats
  const ticker = period === undefined ? undefined : setInterval(() => report.stats(gateways), period * 1000)
  await stopped(gateways, options.grace)
  clearInterval(ticker)
  if (period !== undefined) report.stats(gateways)
  await stacks.close()
  return ExitStatus.Ok
}

/** Resolves when a signal has come and all is over. */
async function stopped(gateways: readonly Gateway[], grace: number): Promise<void> {
  const closeAll = (abort: boolean): Promise<unknown> =>
    Promise.all(gateways.map((gateway) => gateway.close({ abort })))
  let signalled: () => void = () => {}
  const onSignal = (): void => signalled()
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  await new Promise<void>((resolve) => {
    signalled = resolve
  })
  const closed = closeAll(false)
  const hurry = new Promise<void>((resolve) => {
    signalled = resolve
  })
  const timer = setTimeout(onSignal, grace * 1000)
  await Promise.race([closed, hurry])
  clearTimeout(timer)
  await closeAll(true)
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
}

/** One host for all, and one for each tunnel that is listened behind. */
class Stacks {
  readonly #options: StackOptions
  readonly #stacks = new Map<number | undefined, Stack>()

  constructor({ impair, seed }: Options) {
    this.#options = optionsFromEnvironment(process.env)
    if (impair !== undefined) this.#options.impair = impair
    if (seed !== undefined) this.#options.seed = seed
  }

  default(): Stack {
    return this.for({ protocol: 'sluice', port: 0 })
  }

  for({ tunnelPort }: GatewayAddress): Stack {
    let stack = this.#stacks.get(tunnelPort)
    if (stack === undefined) {
      stack = new Stack(tunnelPort === undefined ? this.#options : { ...this.#options, tunnel: { port: tunnelPort } })
      this.#stacks.set(tunnelPort, stack)
    }
    return stack
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stacks.values()].map((stack) => stack.close()))
  }
}

/** What it says while it runs: on standard error, or as JSON on standard output. */
class Report {
  readonly #json: boolean
  readonly #quiet: boolean

  constructor({ json = false, quiet = false }: Options) {
    this.#json = json
    this.#quiet = quiet
  }

  listening(listen: GatewayAddress, to: GatewayAddress): void {
    const [from, target] = [formatGatewayAddress(listen), formatGatewayAddress(to)]
    this.#say({ event: 'listening', listen: from, to: target }, `listening on ${from}, for ${target}`)
  }

  failed(to: GatewayAddress, error: Error, client: string): void {
    const target = formatGatewayAddress(to)
    const { code } = error as NodeJS.ErrnoException
    this.#say(
      { event: 'failed', client, to: target, code, message: error.message },
      `${client} to ${target}: ${error.message}`,
    )
  }

  stats(gateways: readonly Gateway[]): void {
    const total = { accepted: 0, open: 0, failed: 0, resets: 0, bytesIn: 0, bytesOut: 0 }
    for (const { counters } of gateways) {
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counters[name]
    }
    const { accepted, open, failed, resets, bytesIn, bytesOut } = total
    this.#say(
      { event: 'stats', ...total },
      `${accepted} accepted, ${open} open, ${failed} failed, ${resets} reset; ${bytesIn} bytes in, ${bytesOut} out`,
    )
  }

  #say(event: object, line: string): void {
    if (this.#quiet) return
    if (this.#json) process.stdout.write(`${JSON.stringify(event)}\n`)
    else process.stderr.write(`sluice gateway: ${line}\n`)
  }
}

function collect(text: string, before: GatewayAddress[] = []): GatewayAddress[] {
  try {
    return [...before, parseGatewayAddress(text)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

function version(text: string): 1 | 2 {
  if (text === '1' || text === '2') return text === '1' ? 1 : 2
  throw new InvalidArgumentError('There are versions 1 and 2.')
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('A whole number is wanted.')
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value < 1e6) return value
  throw new InvalidArgumentError('Seconds are wanted.')
}
