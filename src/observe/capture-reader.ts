// Captures of ours and of others: pcapng, and pcap in its old form, of either byte order.

/** A packet as a capture holds it. */
export interface CapturedPacket {
  /** Nanoseconds since 1970. */
  readonly ns: bigint
  /** Of the interface it was seen on; empty where that has none. */
  readonly interfaceName: string
  readonly linkType: number
  /** What was kept of it, and how long it was. */
  readonly data: Buffer
  readonly length: number
  readonly comment: string | undefined
  readonly direction: 'in' | 'out' | undefined
}

/** The file is no capture, or its end is missing. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
}

interface Interface {
  readonly linkType: number
  readonly name: string
  /** Ticks a second. */
  readonly resolution: bigint
}

const PCAPNG = 0x0a0d0d0a
const BYTE_ORDER = 0x1a2b3c4d
const PCAP_MAGICS = new Map([
  [0xa1b2c3d4, 1000n],
  [0xa1b23c4d, 1n],
])
const NS = 1_000_000_000n

/** The packets of a capture, in their order. Throws a `CaptureError` where it is none, or is cut short in the middle of a packet. */
export function readCapture(bytes: Buffer): Generator<CapturedPacket> {
  if (bytes.length < 24) throw new CaptureError('it is too short for a capture')
  if (bytes.readUInt32BE(0) === PCAPNG) return readPcapng(bytes)
  for (const isLittle of [true, false]) {
    const unit = PCAP_MAGICS.get(isLittle ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0))
    if (unit !== undefined) return readPcap(bytes, new Reader(bytes, isLittle), unit)
  }
  throw new CaptureError('it is neither pcapng nor pcap')
}

class Reader {
  readonly #bytes: Buffer
  readonly #isLittle: boolean

  constructor(bytes: Buffer, isLittle: boolean) {
    this.#bytes = bytes
    this.#isLittle = isLittle
  }

  u16(at: number): number {
    return this.#isLittle ? this.#bytes.readUInt16LE(at) : this.#bytes.readUInt16BE(at)
  }

  u32(at: number): number {
    return this.#isLittle ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at)
  }
}

function* readPcap(bytes: Buffer, reader: Reader, unit: bigint): Generator<CapturedPacket> {
  const linkType = reader.u32(20) & 0xffff
  for (let at = 24; at < bytes.length; ) {
    if (at + 16 > bytes.length) throw new CaptureError('it ends in the middle of a packet')
    const kept = reader.u32(at + 8)
    const end = at + 16 + kept
    if (end > bytes.length) throw new CaptureError('it ends in the middle of a packet')
    yield {
      ns: BigInt(reader.u32(at)) * NS + BigInt(reader.u32(at + 4)) * unit,
      interfaceName: '',
      linkType,
      data: bytes.subarray(at + 16, end),
      length: reader.u32(at + 12),
      comment: undefined,
      direction: undefined,
    }
    at = end
  }
}

function* readPcapng(bytes: Buffer): Generator<CapturedPacket> {
  const stream = new CaptureStream()
  yield* stream.push(bytes)
  if (stream.waiting > 0) throw new CaptureError('it ends in the middle of a block')
}

/** A pcapng that comes piece by piece. */
export class CaptureStream {
  #rest: Buffer = Buffer.alloc(0)
  #isLittle = true
  #interfaces: Interface[] = []

  /** Bytes of a block that is not complete. */
  get waiting(): number {
    return this.#rest.length
  }

  /** The packets that are complete with these bytes. To be gone through before the next bytes are given. */
  *push(more: Buffer): Generator<CapturedPacket> {
    const bytes = this.#rest.length === 0 ? more : Buffer.concat([this.#rest, more])
    let at = 0
    this.#rest = bytes
    while (at + 12 <= bytes.length) {
      if (bytes.readUInt32BE(at) === PCAPNG) {
        // A new section has byte order and interfaces of its own.
        this.#isLittle = bytes.readUInt32LE(at + 8) === BYTE_ORDER
        if (!this.#isLittle && bytes.readUInt32BE(at + 8) !== BYTE_ORDER)
          throw new CaptureError('its byte order is unknown')
        this.#interfaces = []
      }
      const reader = new Reader(bytes, this.#isLittle)
      const total = reader.u32(at + 4)
      if (total < 12 || total % 4 !== 0) throw new CaptureError('a block has a length that cannot be')
      if (at + total > bytes.length) break
      const end = at + total - 4
      const type = reader.u32(at)
      if (type === 1) this.#interfaces.push(readInterface(bytes, reader, at, end))
      else if (type === 6) {
        const packet = readPacket(bytes, reader, this.#interfaces, at, end)
        if (packet !== null) yield packet
      }
      at += total
    }
    this.#rest = bytes.subarray(at)
  }
}

function readInterface(bytes: Buffer, reader: Reader, at: number, end: number): Interface {
  let name = ''
  let resolution = 1_000_000n
  for (const [code, value] of options(bytes, reader, at + 16, end)) {
    if (code === 2) name = value.toString()
    else if (code === 9 && value.length > 0) {
      const exponent = BigInt(value[0] & 0x7f)
      resolution = (value[0] & 0x80) === 0 ? 10n ** exponent : 2n ** exponent
    }
  }
  return { linkType: reader.u16(at + 8), name, resolution }
}

function readPacket(
  bytes: Buffer,
  reader: Reader,
  interfaces: readonly Interface[],
  at: number,
  end: number,
): CapturedPacket | null {
  const kept = reader.u32(at + 20)
  const from = interfaces[reader.u32(at + 8)]
  const dataEnd = at + 28 + kept
  if (from === undefined || dataEnd > end) return null
  const ticks = (BigInt(reader.u32(at + 12)) << 32n) | BigInt(reader.u32(at + 16))
  let comment: string | undefined
  let direction: CapturedPacket['direction']
  for (const [code, value] of options(bytes, reader, at + 28 + ((kept + 3) & ~3), end)) {
    if (code === 1) comment = value.toString()
    else if (code === 2 && value.length === 4) {
      const way = new Reader(value, true).u32(0) | new Reader(value, false).u32(0)
      direction = (way & 3) === 1 ? 'in' : (way & 3) === 2 ? 'out' : undefined
    }
  }
  return {
    ns: (ticks * NS) / from.resolution,
    interfaceName: from.name,
    linkType: from.linkType,
    data: bytes.subarray(at + 28, dataEnd),
    length: reader.u32(at + 24),
    comment,
    direction,
  }
}

function* options(bytes: Buffer, reader: Reader, start: number, end: number): Generator<[number, Buffer]> {
  for (let at = start; at + 4 <= end; ) {
    const code = reader.u16(at)
    const length = reader.u16(at + 2)
    if (code === 0 || at + 4 + length > end) return
    yield [code, bytes.subarray(at + 4, at + 4 + length)]
    at += 4 + ((length + 3) & ~3)
  }
}
