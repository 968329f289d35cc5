import { HEADER_LENGTH, hasChecksum, readChecksum, writeChecksum, writeChecksumField } from '../wire/index.ts'
import { Chance, type ChanceConfig, type ChanceSpec, formatChance, parseChance } from './chance.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageEnvironment, type StageType } from './stage.ts'

export interface CorruptFields {
  /** How probable it is that one bit of a frame is flipped: 0 … 1, `'1%'`, or with a correlation `'1% 25%'`. Default 0. */
  corrupt?: ChanceSpec
}

export type CorruptConfig = ChanceConfig

/** Which draw at an index says where the bit lies, beyond those of whether it is flipped. */
const WHERE = 128

interface Memory {
  readonly rng: Rng
  readonly chance: Chance
}

/** Flips one bit, anywhere in the frame, as netem does. */
class CorruptStage extends Stage<CorruptConfig, Memory> {
  /** Frames whose damage cannot show in themselves are dropped: the UDP checksum would have caught it. */
  readonly #drops: boolean

  constructor(environment: StageEnvironment) {
    super(environment)
    this.#drops = environment.options.unit === 'datagram'
  }

  protected override recall(rng: Rng, flow: Flow): Memory {
    return { rng, chance: new Chance(rng, this.config as CorruptConfig, flow.base) }
  }

  override push(frame: Frame, nowUs: number): void {
    const { rng, chance } = this.memory(frame.flow)
    if (chance.hits(frame.index, frame.copy) && frame.length > 0) {
      this.counters.corrupted++
      if (this.#drops) {
        this.drop(frame, `corrupt=${formatChance(this.config as CorruptConfig)}`, nowUs)
        return
      }
      frame.own()
      frame.corrupted = true
      flipBit(frame, Math.floor(rng.at(frame.index, WHERE + frame.copy) * frame.length * 8))
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
    const chance = parseChance(reader.label('corrupt'), reader.raw('corrupt') ?? 0)
    return chance.probability === 0 ? null : chance
  },
  format: (config) => ({ corrupt: formatChance(config) }),
  create: (environment) => new CorruptStage(environment),
}
