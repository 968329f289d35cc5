import { type CorruptConfig, type CorruptFields, corrupt } from './corrupt.ts'
import { type DelayConfig, type DelayFields, delay } from './delay.ts'
import { type DropConfig, type DropFields, drop } from './drop.ts'
import { type DuplicateConfig, type DuplicateFields, duplicate } from './duplicate.ts'
import { type HandshakeConfig, type HandshakeFields, handshake } from './handshake.ts'
import { type LinkConfig, type LinkFields, link } from './link.ts'
import { burst, type LossConfig, type LossFields, loss } from './loss.ts'
import { type BlackholeConfig, blackhole, type MtuConfig, mtu, type OutageFields } from './outage.ts'
import { type RateConfig, type RateFields, rate } from './rate.ts'
import { type ReaderConfig, type ReaderFields, reader } from './reader.ts'
import { type ReorderConfig, type ReorderFields, reorder } from './reorder.ts'
import { type ResetConfig, type ResetFields, reset } from './reset.ts'
import type { ScheduledEvent, ScheduleFields } from './schedule.ts'
import { type SlotConfig, type SlotFields, slot } from './slot.ts'
import type { StageType } from './stage.ts'

/** What is aimed at single segments. */
const AIMED: readonly StageType<unknown>[] = [reset, blackhole, mtu, handshake, drop, reader]
/** What happens on the way in (lost, doubled, damaged), then the bottleneck, then the long haul behind it. */
const ON_THE_WAY: readonly StageType<unknown>[] = [loss, burst, duplicate, corrupt, rate, link, reorder, delay, slot]

/** Every kind of impairment, in the order in which a frame meets them. */
export const STAGE_TYPES: readonly StageType<unknown>[] = [...AIMED, ...ON_THE_WAY]

/** The fields of all of them, the common ones first, as errors list them. */
export const STAGE_FIELDS: readonly string[] = [...ON_THE_WAY, ...AIMED].flatMap((type) => type.fields)

/** What may be said about one direction. */
export interface DirectionFields
  extends LossFields,
    DuplicateFields,
    CorruptFields,
    RateFields,
    LinkFields,
    ReorderFields,
    DelayFields,
    SlotFields,
    OutageFields,
    HandshakeFields,
    DropFields,
    ResetFields,
    ReaderFields,
    ScheduleFields {}

/** What a pipeline does: the configuration of each stage that is on, by the stage's name, and what changes it by the clock. */
export interface PipelineSpec {
  readonly reset?: ResetConfig
  readonly blackhole?: BlackholeConfig
  readonly mtu?: MtuConfig
  readonly handshake?: HandshakeConfig
  readonly drop?: DropConfig
  readonly reader?: ReaderConfig
  readonly loss?: LossConfig
  readonly burst?: LossConfig
  readonly duplicate?: DuplicateConfig
  readonly corrupt?: CorruptConfig
  readonly rate?: RateConfig
  readonly link?: LinkConfig
  readonly reorder?: ReorderConfig
  readonly delay?: DelayConfig
  readonly slot?: SlotConfig
  readonly schedule?: readonly ScheduledEvent[]
}
