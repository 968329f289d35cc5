import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import {
  type CapturedPacket,
  CaptureError,
  CaptureStream,
  type PacketSegment,
  readCapture,
  segmentsOf,
} from '../../observe/index.ts'
import { ExitStatus } from '../exit-status.ts'
import { type Rotation, SaveFiles } from './files.ts'
import { type Filter, FilterError, parseFilter } from './filter.ts'
import { findProcess, LiveError, openLive, stacksOf } from './live.ts'
import { Printer } from './printer.ts'

interface DumpOptions {
  read?: string
  write?: string
  count?: string
  snaplen?: string
  fileSize?: string
  fileCount?: string
  rotateSeconds?: string
  interface?: string
  listInterfaces?: boolean
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
    .option('-C, --file-size <MB>', 'with -w: another file, numbered, once one is larger than so many million bytes')
    .option(
      '-G, --rotate-seconds <s>',
      'with -w: another file each so many seconds; %H%M%S … of strftime(3) in its name',
    )
    .option('-W, --file-count <n>', 'so many files: with -C those overwritten in turn, with -G the end after them')
    .option(
      '-i, --interface <name>',
      'any, or passed or dropped; of a running process also one of its stacks, by its number',
      'any',
    )
    .option('-D, --list-interfaces', 'what -i could be')
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
    .option(
      '-U, --packet-buffered',
      'accepted: what is there is printed at once, and is in the file after a tenth of a second',
    )
    .action(async (filter: string[], options: DumpOptions) => {
      try {
        if (options.listInterfaces === true) await listInterfaces(filter[0], options)
        else if (options.read === undefined) await dumpLive(filter, options)
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
  /** False: this one and all others have no place any more. */
  segment(segment: PacketSegment): boolean
  end(): void
}

const packetsIn = (file: string): Iterable<CapturedPacket> => readCapture(readFileSync(file === '-' ? 0 : file))

function dump(filterText: string, options: DumpOptions): void {
  const selection = new Selection(filterText, options)
  const names = new Set<string>(INTERFACES)
  for (const packet of packetsIn(options.read as string)) {
    names.add(packet.interfaceName)
    if (selection.take(packet)) break
  }
  selection.end()
  checkInterface(options.interface as string, [...names])
}

/** What a capture of ours always has, and what stands for all. */
const INTERFACES = ['any', 'passed', 'dropped'] as const

function checkInterface(name: string, known: readonly string[]): void {
  if (!known.includes(name))
    throw new DumpError(`-i takes ${known.filter(Boolean).join(', ')}, not ${JSON.stringify(name)}`)
}

/** As tcpdump's `-D`: numbered, one a line. */
async function listInterfaces(target: string | undefined, { read }: DumpOptions): Promise<void> {
  if (read !== undefined) {
    for (const name of new Set([...packetsIn(read)].map(({ interfaceName }) => interfaceName || 'any')))
      process.stdout.write(`${name}\n`)
    return
  }
  for (const { stack, listening, connections } of await stacksOf(await findProcess(numberOf(target)))) {
    const ports = listening.length === 0 ? 'listens nowhere' : `listens on ${listening.join(', ')}`
    process.stdout.write(`${stack}. ${ports}; ${connections} connection${connections === 1 ? '' : 's'}\n`)
  }
}

function numberOf(target: string | undefined): number {
  if (/^\d+$/.test(target ?? '')) return Number(target)
  throw new DumpError('-r FILE is wanted, or the number of a process or of a port')
}

/** Signals at which what was captured is still written. */
const ENDS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Until interrupted, or until the process ends. */
async function dumpLive([target, ...filter]: string[], options: DumpOptions): Promise<void> {
  const number = numberOf(target)
  const isStack = /^\d+$/.test(options.interface as string)
  if (!isStack) checkInterface(options.interface as string, [...INTERFACES, 'the number of a stack'])
  const selection = new Selection(filter.join(' '), isStack ? { ...options, interface: 'any' } : options)
  const socket = await openLive(await findProcess(number), {
    snaplen: snaplenOf(options),
    stack: isStack ? Number(options.interface) : undefined,
  })
  const stream = new CaptureStream()
  process.stderr.write(`looking into ${target}\n`)
  const stop = (): void => void socket.destroy()
  for (const signal of ENDS) process.once(signal, stop)
  socket.on('data', (bytes: Buffer) => {
    for (const packet of stream.push(bytes)) {
      if (!selection.take(packet)) continue
      stop()
      return
    }
  })
  await new Promise((resolve) => socket.once('close', resolve).once('error', resolve))
  for (const signal of ENDS) process.off(signal, stop)
  selection.end()
  process.stderr.write(`${selection.count} packets captured\n`)
}

/** Passes on what the options ask for. */
class Selection {
  count = 0
  readonly #sink: Sink
  readonly #filter: Filter
  readonly #direction: string
  readonly #interface: string
  readonly #most: number

  constructor(filterText: string, options: DumpOptions) {
    this.#filter = parseFilter(filterText)
    this.#most = options.count === undefined ? Infinity : wholeNumber('-c', options.count, 1)
    this.#direction = options.direction as string
    if (!['in', 'out', 'inout'].includes(this.#direction)) {
      throw new DumpError(`-Q takes in, out or inout, not ${JSON.stringify(this.#direction)}`)
    }
    this.#interface = options.interface as string
    const rotation = rotationOf(options)
    this.#sink =
      options.write === undefined ? printing(options) : new SaveFiles(options.write, rotation, snaplenOf(options))
  }

  /** True: that was the last. */
  take(packet: CapturedPacket): boolean {
    if (this.#direction !== 'inout' && packet.direction !== this.#direction) return false
    if (this.#interface !== 'any' && packet.interfaceName !== this.#interface) return false
    for (const segment of segmentsOf(packet)) {
      if (!this.#filter(segment)) continue
      if (!this.#sink.segment(segment)) return true
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
  return {
    segment(segment) {
      process.stdout.write(`${printer.print(segment)}\n`)
      return true
    },
    end() {},
  }
}

function rotationOf({ write, fileSize, fileCount, rotateSeconds }: DumpOptions): Rotation {
  const megabytes = fileSize === undefined ? undefined : wholeNumber('-C', fileSize, 1)
  const seconds = rotateSeconds === undefined ? undefined : wholeNumber('-G', rotateSeconds, 1)
  const files = fileCount === undefined ? undefined : wholeNumber('-W', fileCount, 1)
  const begins = megabytes !== undefined ? '-C' : seconds !== undefined ? '-G' : undefined
  if (begins !== undefined && (write === undefined || write === '-'))
    throw new DumpError(`${begins} wants -w and a file`)
  if (files !== undefined && begins === undefined) throw new DumpError('-W counts the files of -C or -G')
  return { megabytes, seconds, files }
}

const snaplenOf = ({ snaplen }: DumpOptions): number | undefined =>
  snaplen === undefined || snaplen === '0' ? undefined : wholeNumber('-s', snaplen, 1)

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new DumpError(`${option} takes a whole number from ${least} on, not ${JSON.stringify(text)}`)
  return value
}
