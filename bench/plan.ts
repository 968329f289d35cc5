// Who is measured at what, and how long that takes.

import type { Measurement, Setting, Settings } from './measurements/index.ts'
import { transportKinds, type Variant } from './transports/index.ts'

/** Two processes are born and end. */
const START_SECONDS = 1

export interface Planned {
  measurement: Measurement
  settings: Settings
  /** In the order in which they take turns, with the reason where one cannot. */
  variants: { variant: Variant; reason: string | null }[]
}

export interface PlanOptions {
  quick: boolean
  /** Names of groups or of measurements; null: all. */
  only: readonly string[] | null
  transports: readonly string[]
  /** Besides those that measurements have. */
  settings: readonly Setting[]
}

export function planOf(all: readonly Measurement[], options: PlanOptions): Planned[] {
  const { only, quick } = options
  return all
    .filter(({ name, group, slow }) =>
      only === null ? !(quick && slow) : only.includes(name) || (only.includes(group) && !(quick && slow)),
    )
    .map((measurement) => {
      const settings = measurement.settings(quick)
      const variants = variantsOf(measurement, options).map((variant) => ({
        variant,
        reason: whyNot(measurement, variant.kind, settings),
      }))
      return { measurement, settings, variants }
    })
}

function variantsOf(measurement: Measurement, { transports, settings }: PlanOptions): Variant[] {
  const { options: common, kinds, settingsBeside = [] } = measurement
  const names = transports.filter((name) => kinds?.includes(name) ?? true)
  const beside = [...settingsBeside, ...settings].flatMap(({ label, options, kinds }) =>
    names.filter((name) => kinds.includes(name)).map((kind) => ({ kind, setting: label, options })),
  )
  return [...names.map((kind) => ({ kind, setting: '', options: {} })), ...beside].map((variant) => ({
    ...variant,
    options: { ...common, ...variant.options },
  }))
}

function whyNot(measurement: Measurement, kind: string, settings: Settings): string | null {
  const transport = transportKinds.find(({ name }) => name === kind)
  return transport?.whyNot?.() ?? measurement.whyNot?.(kind, settings) ?? null
}

export function samplesOf({ variants }: Planned): number {
  return variants.filter(({ reason }) => reason === null).length
}

/** How long one sample takes, seconds. */
export function sampleSeconds({ measurement, settings }: Planned): number {
  return START_SECONDS + measurement.seconds(settings)
}

/** How long all of it takes, seconds. */
export function planSeconds(plan: readonly Planned[], rounds: number): number {
  return plan.reduce((sum, planned) => sum + rounds * samplesOf(planned) * sampleSeconds(planned), 0)
}
