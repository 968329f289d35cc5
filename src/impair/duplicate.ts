import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { formatProbability } from './values.ts'

export interface DuplicateFields {
  /** How probable it is that a frame comes twice: 0 … 1 or `'5%'`. Default 0. */
  duplicate?: number | string
}

export interface DuplicateConfig {
  readonly probability: number
}

/** Sends frames twice. Each of the two meets its own fate in the stages after this one. */
class DuplicateStage extends Stage<DuplicateConfig> {
  override push(frame: Frame, nowUs: number): void {
    const config = this.config as DuplicateConfig
    if (this.rng.at(frame.index, frame.copy) >= config.probability) {
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
    const probability = reader.probability('duplicate')
    return probability === 0 ? null : { probability }
  },
  format: (config) => ({ duplicate: formatProbability(config.probability) }),
  create: (environment) => new DuplicateStage(environment),
}
