import { requireBoolean } from './chance.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import {
  formatLoss,
  type LossModel,
  type LossModelConfig,
  makeLossModel,
  orOff,
  parseGilbertElliott,
  parseLoss,
} from './loss-models.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageType } from './stage.ts'

type Probability = number | string

/** netem's four parameters: into a burst, out of it, lost within, lost outside. */
export interface GilbertElliottSpec {
  p: Probability
  r?: Probability
  '1-h'?: Probability
  '1-k'?: Probability
}

export interface LossFields {
  /**
   * Frames lost: how probable it is (0 … 1 or `'5%'`, with a correlation `'5% 25%'`), or by a model, as text or as an object:
   * `'gemodel 1% 10% 70% 0.1%'` (Gilbert–Elliott), `'state 1% 20% 10% 50% 1%'` (netem's four states), `'every 10'`,
   * `'packets 1 5 7-9'` (numbers of a connection's packets in this direction, from 1), `'trace FILE'` (0 and 1). Default 0.
   */
  loss?:
    | Probability
    | { probability: Probability; correlation?: Probability }
    | { gemodel: GilbertElliottSpec | string }
    | {
        state: { p13: Probability; p31?: Probability; p32?: Probability; p23?: Probability; p14?: Probability } | string
      }
    | { every: number }
    | { packets: readonly (number | string)[] | string }
    | { trace: string | readonly (0 | 1 | boolean)[] }
  /** Losses in bursts beside `loss`: Gilbert–Elliott's `p`, `r`, `1-h`, `1-k`, as an object or `'1% 10% 70% 0.1%'`. */
  burst?: GilbertElliottSpec | string
  /** What `loss`, `burst` or a CoDel queue would drop is marked (Congestion Experienced) instead, where it is ECN-capable. */
  ecn?: boolean | string
}

export interface LossConfig {
  readonly model: LossModelConfig
  readonly ecn: boolean
}

class LossStage extends Stage<LossConfig, LossModel> {
  readonly #name: string
  #text = ''

  constructor(environment: ConstructorParameters<typeof Stage>[0], name: string) {
    super(environment)
    this.#name = name
  }

  override configure(config: LossConfig | null): void {
    super.configure(config)
    this.#text = config === null ? '' : `${this.#name}=${formatLoss(config.model)}`
  }

  protected override recall(rng: Rng, flow: Flow): LossModel {
    return makeLossModel((this.config as LossConfig).model, rng, flow.base)
  }

  override push(frame: Frame, nowUs: number): void {
    if (!this.memory(frame.flow).loses(frame.index, frame.copy)) {
      this.next.push(frame, nowUs)
    } else if ((this.config as LossConfig).ecn && frame.ect) {
      // linux: netem marks what can be marked, and drops the rest.
      if (!frame.marked) this.counters.marked++
      frame.marked = true
      this.next.push(frame, nowUs)
    } else {
      this.drop(frame, this.#text, nowUs)
    }
  }
}

export const loss: StageType<LossConfig> = {
  name: 'loss',
  fields: ['loss', 'ecn'],
  parse(reader) {
    const ecn = requireBoolean(reader.label('ecn'), reader.raw('ecn'))
    const model = orOff(parseLoss(reader, 'loss'))
    return model === null ? null : { model, ecn }
  },
  format: ({ model, ecn }) => ({ loss: formatLoss(model), ...(ecn && { ecn: 'true' }) }),
  create: (environment) => new LossStage(environment, 'loss'),
}

export const burst: StageType<LossConfig> = {
  name: 'burst',
  fields: ['burst'],
  parse(reader) {
    const value = reader.raw('burst')
    // Turned off for one direction, or in the face of a profile.
    if (value === undefined || value === 0 || value === '0' || value === false) return null
    const text = typeof value === 'string' ? value.replace(/^\s*gemodel\b/i, '') : value
    const model = orOff(parseGilbertElliott(reader.label('burst'), text))
    return model === null ? null : { model, ecn: requireBoolean(reader.label('ecn'), reader.raw('ecn')) }
  },
  format: ({ model, ecn }) => ({ burst: formatLoss(model).replace('gemodel ', ''), ...(ecn && { ecn: 'true' }) }),
  create: (environment) => new LossStage(environment, 'burst'),
}
