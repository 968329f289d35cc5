import { HEADER_LENGTH, hasChecksum, readChecksum, writeChecksum, writeChecksumField } from '../wire/index.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageEnvironment, type StageType } from './stage.ts'
import { formatProbability } from './values.ts'

export interface CorruptFields {
  /** How probable it is that one bit of a frame is flipped: 0 … 1 or `'1%'`. Default 0. */
  corrupt?: number | string
}

export interface CorruptConfig {
  readonly probability: number
}

// Draws at one index: two for each copy.
const WHETHER = 0
const WHERE = 1

/** Flips one bit, anywhere in the frame, as netem does. */
class CorruptStage extends Stage<CorruptConfig> {
  /** Frames whose damage cannot show in themselves are dropped: the UDP checksum would have caught it. */
  readonly #drops: boolean

  constructor(environment: StageEnvironment) {
    super(environment)
    this.#drops = environment.options.unit === 'datagram'
  }

  override push(frame: Frame, nowUs: number): void {
    const config = this.config as CorruptConfig
    const lane = frame.copy * 2
    if (this.rng.at(frame.index, lane + WHETHER) < config.probability && frame.length > 0) {
      this.counters.corrupted++
      if (this.#drops) {
        this.drop()
        return
      }
      frame.own()
      flipBit(frame, Math.floor(this.rng.at(frame.index, lane + WHERE) * frame.length * 8))
      // Too short for a segment: the length alone tells.
      if (frame.length >= HEADER_LENGTH) makeEvident(frame.buffer, frame.start, frame.end)
    }
    this.next.push(frame, nowUs)
  }
}

function flipBit(frame: Frame, bit: number): void {
  frame.buffer[frame.start + (bit >> 3)] ^= 0x80 >> (bit & 7)
}

/**
 * One flipped bit never escapes the Internet checksum, if there is one to compare with. A segment whose checksum was left to
 * UDP, or whose checksum the flip made 0 ("not computed"), would pass as whole: it gets one that is wrong, so that the receiver
 * drops and counts it as damage of the kind that UDP's checksum stands against.
 */
function makeEvident(buffer: Buffer, start: number, end: number): void {
  if (hasChecksum(buffer, start)) return
  writeChecksum(buffer, start, end)
  const right = readChecksum(buffer, start)
  writeChecksumField(buffer, start, right === 1 ? 2 : right ^ 1)
}

export const corrupt: StageType<CorruptConfig> = {
  name: 'corrupt',
  fields: ['corrupt'],
  parse(reader) {
    const probability = reader.probability('corrupt')
    return probability === 0 ? null : { probability }
  },
  format: (config) => ({ corrupt: formatProbability(config.probability) }),
  create: (environment) => new CorruptStage(environment),
}
