import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { formatProbability } from './values.ts'

export interface LossFields {
  /** How probable it is that a frame is lost: 0 … 1 or `'5%'`. Default 0. */
  loss?: number | string
}

export interface LossConfig {
  readonly probability: number
}

/** Loses frames, each by its own throw. */
class LossStage extends Stage<LossConfig> {
  override push(frame: Frame, nowUs: number): void {
    const config = this.config as LossConfig
    if (this.rng.at(frame.index, frame.copy) < config.probability) this.drop()
    else this.next.push(frame, nowUs)
  }
}

export const loss: StageType<LossConfig> = {
  name: 'loss',
  fields: ['loss'],
  parse(reader) {
    const probability = reader.probability('loss')
    return probability === 0 ? null : { probability }
  },
  format: (config) => ({ loss: formatProbability(config.probability) }),
  create: (environment) => new LossStage(environment),
}
