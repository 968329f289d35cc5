import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import {
  type CapturedPacket,
  CaptureError,
  CaptureStream,
  captureOutput,
  DROPPED,
  PASSED,
  type PacketSegment,
  PcapngWriter,
  readCapture,
  segmentsOf,
} from '../../observe/index.ts'
import { ExitStatus } from '../exit-status.ts'
import { type Filter, FilterError, parseFilter } from './filter.ts'
import { LiveError, openLive } from './live.ts'
import { Printer } from './printer.ts'

interface DumpOptions {
  read?: string
  write?: string
  count?: string
  snaplen?: string
  direction?: string
  verbose?: number
  timestamps?: number
  linkLevel?: boolean
  absolute?: boolean
  quiet?: boolean
  hex?: boolean
  hexAscii?: boolean
  ascii?: boolean
}

/** `sluice dump -r FILE [FILTER]`, `sluice dump PID|PORT [FILTER]`. */
export function command(): Command {
  const again = (_: string, times = 0): number => times + 1
  return new Command('dump')
    .summary('segments of a capture, as tcpdump prints them')
    .description(
      'Prints the TCP segments of a capture with tcpdump’s flags and lines: of captures that stack.capture, SLUICE_CAPTURE and the lab\n' +
        'make, of segments inside UDP that were captured on the wire, and of any other pcapng or pcap. What impairment dropped is\n' +
        'marked with what dropped it.',
    )
    .argument(
      '[filter...]',
      "without -r a process or a port first; then as pcap-filter(7): 'port 80 and tcp[tcpflags] & tcp-syn != 0'; beyond it: dropped",
    )
    .option(
      '-r, --read <file>',
      'the capture; - is standard input. Without it: a running process, started with SLUICE_CONTROL=1',
    )
    .option('-w, --write <file>', 'write what fits the filter into a pcapng instead of printing it')
    .option('-c, --count <n>', 'end after so many segments')
    .option('-s, --snaplen <bytes>', 'with -w: keep so much of each packet')
    .option('-Q, --direction <in|out|inout>', 'only what came in, or went out', 'inout')
    .option('-v, --verbose', 'the IP header and the checksum too', again, 0)
    .option(
      '-t, --timestamps',
      '-t no time, -tt since 1970, -ttt since the last, -tttt with the date, -ttttt since the first',
      again,
      0,
    )
    .option('-e, --link-level', 'the link’s header too')
    .option('-S, --absolute', 'absolute sequence numbers')
    .option('-q, --quiet', 'less')
    .option('-x, --hex', 'the bytes, in hexadecimal')
    .option('-X, --hex-ascii', 'the bytes, in hexadecimal and ASCII')
    .option('-A, --ascii', 'the bytes, in ASCII')
    .option('-n, --numeric', 'addresses and ports as numbers, as they always are')
    .option('-U, --packet-buffered', 'accepted: what is there is printed at once')
    .action(async (filter: string[], options: DumpOptions) => {
      try {
        if (options.read === undefined) await dumpLive(filter, options)
        else dump(filter.join(' '), options)
      } catch (error) {
        const isUsage = error instanceof FilterError || error instanceof DumpError
        const isOurs = isUsage || error instanceof CaptureError || error instanceof LiveError
        if (!isOurs && !isSystemError(error)) throw error
        const what =
          error instanceof FilterError ? 'filter: ' : error instanceof CaptureError ? `${options.read}: ` : ''
        process.stderr.write(`sluice dump: ${what}${(error as Error).message}\n`)
        process.exitCode = isUsage ? ExitStatus.Usage : ExitStatus.Failed
      }
    })
}

/** An option's value that makes no sense. */
class DumpError extends Error {}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string'

/** Where segments that are wanted go. */
interface Sink {
  segment(segment: PacketSegment): void
  end(): void
}

function dump(filterText: string, options: DumpOptions): void {
  const selection = new Selection(filterText, options)
  const packets = readCapture(readFileSync(options.read === '-' ? 0 : (options.read as string)))
  for (const packet of packets) if (selection.take(packet)) break
  selection.end()
}

/** Until interrupted, or until the process ends. */
async function dumpLive([target, ...filter]: string[], options: DumpOptions): Promise<void> {
  if (!/^\d+$/.test(target ?? '')) throw new DumpError('-r FILE is wanted, or the number of a process or of a port')
  const selection = new Selection(filter.join(' '), options)
  const socket = await openLive(Number(target), snaplenOf(options))
  const stream = new CaptureStream()
  process.stderr.write(`looking into ${target}\n`)
  const stop = (): void => void socket.destroy()
  process.once('SIGINT', stop)
  socket.on('data', (bytes: Buffer) => {
    for (const packet of stream.push(bytes)) {
      if (!selection.take(packet)) continue
      stop()
      return
    }
  })
  await new Promise((resolve) => socket.once('close', resolve).once('error', resolve))
  process.off('SIGINT', stop)
  selection.end()
  process.stderr.write(`${selection.count} packets captured\n`)
}

/** Passes on what the options ask for. */
class Selection {
  count = 0
  readonly #sink: Sink
  readonly #filter: Filter
  readonly #direction: string
  readonly #most: number

  constructor(filterText: string, options: DumpOptions) {
    this.#filter = parseFilter(filterText)
    this.#most = options.count === undefined ? Infinity : wholeNumber('-c', options.count, 1)
    this.#direction = options.direction as string
    if (!['in', 'out', 'inout'].includes(this.#direction)) {
      throw new DumpError(`-Q takes in, out or inout, not ${JSON.stringify(this.#direction)}`)
    }
    this.#sink = options.write === undefined ? printing(options) : writing(options.write, snaplenOf(options))
  }

  /** True: that was the last. */
  take(packet: CapturedPacket): boolean {
    if (this.#direction !== 'inout' && packet.direction !== this.#direction) return false
    for (const segment of segmentsOf(packet)) {
      if (!this.#filter(segment)) continue
      this.#sink.segment(segment)
      if (++this.count >= this.#most) return true
    }
    return false
  }

  end(): void {
    this.#sink.end()
  }
}

function printing(options: DumpOptions): Sink {
  const printer = new Printer({
    time: options.timestamps ?? 0,
    verbose: options.verbose ?? 0,
    link: options.linkLevel === true,
    absolute: options.absolute === true,
    quick: options.quiet === true,
    dump: options.hexAscii ? 'both' : options.hex ? 'hex' : options.ascii ? 'ascii' : 'none',
  })
  return { segment: (segment) => void process.stdout.write(`${printer.print(segment)}\n`), end() {} }
}

function writing(file: string, snaplen: number | undefined): Sink {
  const writer = new PcapngWriter(captureOutput(file === '-' ? process.stdout : file), { snaplen })
  let last: CapturedPacket | null = null
  return {
    segment({ packet, ...segment }) {
      // Several segments of one datagram are one packet.
      if (packet === last) return
      last = packet
      if (packet.linkType === ETHERNET) writer.copy(packet)
      else
        writer.write({
          ...segment,
          us: Number(packet.ns / 1000n),
          interface: packet.interfaceName === 'dropped' ? DROPPED : PASSED,
          outgoing: packet.direction !== 'in',
          comment: packet.comment,
        })
    },
    end: () => writer.end(),
  }
}

const snaplenOf = ({ snaplen }: DumpOptions): number | undefined =>
  snaplen === undefined || snaplen === '0' ? undefined : wholeNumber('-s', snaplen, 1)

const ETHERNET = 1

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new DumpError(`${option} takes a whole number from ${least} on, not ${JSON.stringify(text)}`)
  return value
}
