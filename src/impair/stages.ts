import { type CorruptConfig, type CorruptFields, corrupt } from './corrupt.ts'
import { type DelayConfig, type DelayFields, delay } from './delay.ts'
import { type DuplicateConfig, type DuplicateFields, duplicate } from './duplicate.ts'
import { type LossConfig, type LossFields, loss } from './loss.ts'
import { type RateConfig, type RateFields, rate } from './rate.ts'
import { type ReorderConfig, type ReorderFields, reorder } from './reorder.ts'
import type { StageType } from './stage.ts'

/**
 * Every kind of impairment, in the order in which a frame meets them: what happens on the way in (lost, doubled, damaged), then
 * the bottleneck, then the long haul behind it.
 */
export const STAGE_TYPES: readonly StageType<unknown>[] = [loss, duplicate, corrupt, rate, reorder, delay]

/** What may be said about one direction. */
export interface DirectionFields
  extends LossFields,
    DuplicateFields,
    CorruptFields,
    RateFields,
    ReorderFields,
    DelayFields {}

/** What a pipeline does: the configuration of each stage that is on, by the stage's name. */
export interface PipelineSpec {
  readonly loss?: LossConfig
  readonly duplicate?: DuplicateConfig
  readonly corrupt?: CorruptConfig
  readonly rate?: RateConfig
  readonly reorder?: ReorderConfig
  readonly delay?: DelayConfig
}
