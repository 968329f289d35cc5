import { Chance, type ChanceConfig, type ChanceSpec, formatChance, parseChance } from './chance.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageType } from './stage.ts'

export interface DuplicateFields {
  /** How probable it is that a frame comes twice: 0 … 1, `'5%'`, or with a correlation `'5% 25%'`. Default 0. */
  duplicate?: ChanceSpec
}

export type DuplicateConfig = ChanceConfig

/** Sends frames twice. Each of the two meets its own fate in the stages after this one. */
class DuplicateStage extends Stage<DuplicateConfig, Chance> {
  protected override recall(rng: Rng, flow: Flow): Chance {
    return new Chance(rng, this.config as DuplicateConfig, flow.base)
  }

  override push(frame: Frame, nowUs: number): void {
    if (!this.memory(frame.flow).hits(frame.index, frame.copy)) {
      this.next.push(frame, nowUs)
      return
    }
    this.counters.duplicated++
    // Made first: what comes later may change the record, or keep it.
    const twin = frame.twin()
    this.next.push(frame, nowUs)
    this.next.push(twin, nowUs)
  }
}

export const duplicate: StageType<DuplicateConfig> = {
  name: 'duplicate',
  fields: ['duplicate'],
  parse(reader) {
    const chance = parseChance(reader.label('duplicate'), reader.raw('duplicate') ?? 0)
    return chance.probability === 0 ? null : chance
  },
  format: (config) => ({ duplicate: formatChance(config) }),
  create: (environment) => new DuplicateStage(environment),
}
