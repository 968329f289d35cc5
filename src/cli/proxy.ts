import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { ProxyServer } from '../proxy/index.ts'
import { ExitStatus } from './exit-status.ts'

interface Options {
  host: string
  port: number
  config?: string
  seed?: number
}

/** `sluice proxy`. */
export function command(): Command {
  return new Command('proxy')
    .summary('proxies with toxics, driven by toxiproxy’s HTTP API')
    .description(
      'Serves the HTTP API of toxiproxy, so that its client libraries drive it: proxies that lead the kernel’s TCP to an upstream, and\n' +
        'toxics for them. Its toxics are there (latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data), and others that\n' +
        'act on packets: packet_loss, packet_delay, packet_duplicate, packet_reorder, packet_corrupt, packet_rate, packet_slot,\n' +
        'packet_mtu, packet_blackhole, packet_reset, packet_impair. Their attributes are the members of an impairment.',
    )
    .option('--host <address>', 'where the API listens', 'localhost')
    .option('--port <port>', 'its port', wholeNumber, 8474)
    .option('--config <file>', 'proxies to begin with: a JSON list of { name, listen, upstream, enabled }')
    .option('--seed <number>', 'of all random choices (default: one that is told)', wholeNumber)
    .addHelpText(
      'after',
      `
A signal stops it. Exit status: 0 stopped by a signal, 1 could not listen, 2 not understood.

Examples:
  sluice proxy --seed 7
  curl -d '{"name":"redis","listen":"127.0.0.1:26379","upstream":"127.0.0.1:6379"}' localhost:8474/proxies
  curl -d '{"type":"packet_loss","attributes":{"loss":"5%"}}' localhost:8474/proxies/redis/toxics
  curl -d '{"type":"latency","attributes":{"latency":100,"jitter":20}}' localhost:8474/proxies/redis/toxics`,
    )
    .action(async (options: Options) => {
      process.exitCode = await serve(options)
    })
}

async function serve({ host, port, config, seed }: Options): Promise<ExitStatus> {
  const server = new ProxyServer({ host, port, ...(seed !== undefined && { seed }) })
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve)
  })
  try {
    const { address, port: bound } = await server.listen()
    if (config !== undefined) await server.populate(JSON.parse(readFileSync(config, 'utf8')))
    say(`the API listens on ${address.includes(':') ? `[${address}]` : address}:${bound}, seed ${server.seed}`)
  } catch (error) {
    say((error as Error).message)
    await server.close()
    return ExitStatus.Failed
  }
  await stopped
  await server.close()
  return ExitStatus.Ok
}

const say = (line: string): void => void process.stderr.write(`sluice proxy: ${line}\n`)

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is wanted.')
  return Number(text)
}
