import type { HostOptions, NetworkOptions } from '../testing/index.ts'
import type { Scene } from './scene.ts'

/** The chapters, in the order of a course. */
export const CHAPTERS = ['Opening', 'Retransmission', 'Windows and small packets', 'Closing', 'Congestion'] as const
export type Chapter = (typeof CHAPTERS)[number]

/** What can be asked of an experiment; it names in `takes` what it heeds beside `full`. */
export interface Settings {
  /** At the length, and the rates, that a picture in a book is made with. By default it is only long enough to show what it claims. */
  readonly full?: boolean
  /** Of virtual time, for each run. */
  readonly seconds?: number
  /** Probabilities of loss, one run for each. */
  readonly loss?: readonly number[]
}

/** One thing that TCP does, set up so that it can be seen, and checked. */
export interface Experiment {
  /** What `sluice lab` calls it. */
  readonly name: string
  readonly chapter: Chapter
  /** What is set up. */
  readonly setting: string
  /** What it must show. */
  readonly shows: string
  /** Of the network, unless the command line says otherwise. */
  readonly network?: NetworkOptions
  /** Of the host `client`, beside its sysctls. */
  readonly client?: HostOptions
  /** Real time cannot show it: it takes minutes, or hosts that misbehave. */
  readonly virtualOnly?: boolean
  /** It makes its own bulk transfers (`scene.flows`), in virtual time, and needs no network of hosts. */
  readonly bulk?: boolean
  /** The settings that it heeds. */
  readonly takes?: readonly Exclude<keyof Settings, 'full'>[]
  run(scene: Scene): Promise<void>
}
