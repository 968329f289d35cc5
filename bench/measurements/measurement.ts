// One thing to measure. A new one is a file that implements this and a line in `index.ts`.

import type { Address, Connection, Transport } from '../transports/index.ts'

/** A row of the table. */
export interface Figure {
  /** Key in the samples. */
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Which way is better. */
  readonly better: 'more' | 'less'
}

/** By the names of figures. */
export type Sample = Record<string, number>

/** The serving side. */
export interface Serving {
  address: Address
  /** Called when the driving side is through: what only this side knows. */
  finish(): Sample
}

/** What a measurement is told: all times in ms. Passed between processes as JSON. */
export type Settings = Readonly<Record<string, number>>

export interface Measurement {
  /** As `--only` names it. */
  readonly name: string
  readonly figures: readonly Figure[]
  settings(quick: boolean): Settings
  /** Each side runs in a process of its own, made for this one sample. */
  serve(transport: Transport, settings: Settings): Promise<Serving>
  drive(transport: Transport, address: Address, settings: Settings): Promise<Sample>
}

/** Hears what must be heard of a connection whose end does not matter. */
export function ignoreErrors(connection: Connection): void {
  connection.on('error', () => {})
}

/** A listener at the end of a connection that is not needed otherwise: what comes is read, so that the end comes. */
export function drain(connection: Connection): void {
  ignoreErrors(connection)
  connection.on('data', () => {})
}

export function closed(connection: Connection): Promise<void> {
  return new Promise((resolve) => connection.on('close', resolve))
}
