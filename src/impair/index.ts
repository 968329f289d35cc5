export { Destination } from './address.ts'
export type { ImpairCounters } from './counters.ts'
export { type Emit, Pipeline } from './pipeline.ts'
export { Rng } from './rng.ts'
export {
  formatPipelineSpec,
  type ImpairFields,
  Impairment,
  type ImpairRule,
  type ImpairSpec,
  parsePipelineSpec,
} from './spec.ts'
export type { PipelineOptions } from './stage.ts'
export type { DirectionFields, PipelineSpec } from './stages.ts'
export type { SpecError } from './values.ts'
