import {
  type CapturedPacket,
  captureOutput,
  DROPPED,
  PASSED,
  type PacketSegment,
  PcapngWriter,
} from '../../observe/index.ts'
import { formatTime } from './strftime.ts'

/** When `-w` begins another file. */
export interface Rotation {
  /** `-C`: once a file is larger than so many million bytes. */
  readonly megabytes?: number | undefined
  /** `-W`: with `-C` so many files in a ring, with `-G` alone the end after so many. */
  readonly files?: number | undefined
  /** `-G`: every so many seconds, by the times of the packets. */
  readonly seconds?: number | undefined
}

const MEGABYTE = 1_000_000
const SECOND_NS = 1_000_000_000n
const ETHERNET = 1

/** What `-w` writes: one file, or by tcpdump's rules one after the other. */
export class SaveFiles {
  readonly #name: string
  readonly #rotation: Rotation
  readonly #snaplen: number | undefined
  /** Digits that keep names of a ring in their order; 0: no ring. */
  readonly #digits: number
  #writer: PcapngWriter | null = null
  #bytes = 0
  /** Of those that `-C` makes since the last one that `-G` made. */
  #number = 0
  #periods = 0
  #periodNs = 0n
  #last: CapturedPacket | null = null

  constructor(name: string, rotation: Rotation, snaplen: number | undefined) {
    this.#name = name
    this.#rotation = rotation
    this.#snaplen = snaplen
    const { files, megabytes } = rotation
    this.#digits = files === undefined || megabytes === undefined ? 0 : String(files - 1).length
    // A name that cannot be written is told before the first packet comes.
    if (rotation.seconds === undefined) this.#open(0n)
  }

  /** False: no more files may be written. */
  segment({ packet, ...segment }: PacketSegment): boolean {
    // Several segments of one datagram are one packet.
    if (packet === this.#last) return true
    this.#last = packet
    const writer = this.#writerAt(packet.ns)
    if (writer === null) return false
    if (packet.linkType === ETHERNET) writer.copy(packet)
    else
      writer.write({
        ...segment,
        us: Number(packet.ns / 1000n),
        interface: packet.interfaceName === 'dropped' ? DROPPED : PASSED,
        outgoing: packet.direction !== 'in',
        comment: packet.comment,
      })
    return true
  }

  end(): void {
    this.#writer?.end()
    this.#writer = null
  }

  #writerAt(ns: bigint): PcapngWriter | null {
    const { megabytes = Infinity, seconds, files = Infinity } = this.#rotation
    if (seconds !== undefined && (this.#writer === null || ns - this.#periodNs >= BigInt(seconds) * SECOND_NS)) {
      // With -C the number of files is that of the ring.
      if (megabytes === Infinity && this.#periods === files) return null
      this.#periods++
      this.#periodNs = ns
      this.#number = 0
      return this.#open(ns)
    }
    if (this.#bytes <= megabytes * MEGABYTE) return this.#writer
    this.#number = this.#digits === 0 || this.#number + 1 < files ? this.#number + 1 : 0
    return this.#open(this.#periodNs)
  }

  #open(ns: bigint): PcapngWriter {
    this.end()
    const base = this.#rotation.seconds === undefined ? this.#name : formatTime(this.#name, ns)
    const number = this.#digits > 0 ? String(this.#number).padStart(this.#digits, '0') : this.#number || ''
    const output = captureOutput(base === '-' ? process.stdout : `${base}${number}`)
    this.#bytes = 0
    const counted = {
      write: (bytes: Buffer): void => {
        this.#bytes += bytes.length
        output.write(bytes)
      },
      end: () => output.end(),
    }
    this.#writer = new PcapngWriter(counted, { snaplen: this.#snaplen })
    return this.#writer
  }
}
