export { ImpairControl, type ImpairTarget } from './control.ts'
export type { ImpairCounters } from './counters.ts'
export { distributionTable } from './distribution.ts'
export type { DropPredicate, SegmentView } from './drop.ts'
export { Conversations } from './flow.ts'
export { Heap } from './heap.ts'
export { partsOf, type SegmentParts } from './parts.ts'
export { type Emit, Pipeline } from './pipeline.ts'
export { PROFILES, type Profile } from './profiles.ts'
export { type ImpairReportEntry, ReportTable } from './report.ts'
export { Rng } from './rng.ts'
export {
  formatPipelineSpec,
  IMPAIR_FIELDS,
  type ImpairFields,
  Impairment,
  type ImpairRule,
  type ImpairSpec,
  parsePipelineSpec,
} from './spec.ts'
export type { PipelineOptions } from './stage.ts'
export type { DirectionFields } from './stages.ts'
export type { Observer, Verdict } from './verdict.ts'
