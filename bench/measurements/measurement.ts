// One thing to measure. A new one is a file that implements this and a line in `index.ts`.

import type { Address, Connection, Transport, TransportOptions } from '../transports/index.ts'

/** A row of the table. */
export interface Figure {
  /** Key in the samples. */
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Which way is better. */
  readonly better: 'more' | 'less'
}

/** By the names of figures. A figure that this machine cannot tell is not there. */
export type Sample = Record<string, number>

/** The serving side. */
export interface Serving {
  addresses: Address[]
  /** Called when the driving side is through: what only this side knows. */
  finish(): Sample | Promise<Sample>
}

/** What a measurement is told: all times in ms. Passed between processes as JSON. */
export type Settings = Readonly<Record<string, number>>

/** Options that some transports are measured with besides their defaults: rows of their own in the table. */
export interface Setting {
  /** Empty: the defaults. */
  readonly label: string
  readonly options: TransportOptions
  /** Names of the transports that have such options. */
  readonly kinds: readonly string[]
}

export interface Measurement {
  /** One of a kind: the group, and where the group has several also which. */
  readonly name: string
  /** As `--only` names it. */
  readonly group: string
  readonly figures: readonly Figure[]
  /** Besides the defaults. */
  readonly settingsBeside?: readonly Setting[]
  /** The only transports that it can be asked of; absent: all. */
  readonly kinds?: readonly string[]
  /** What all of its transports are opened with. */
  readonly options?: TransportOptions
  /** Takes so long that `--quick` leaves it out, unless it is named. */
  readonly slow?: boolean
  /** Where it stands on the curve of its group. */
  readonly at?: number
  settings(quick: boolean): Settings
  /** How long a sample takes, roughly; without the start of its processes. */
  seconds(settings: Settings): number
  /** Why this transport cannot do it on this machine; null: it can. */
  whyNot?(kind: string, settings: Settings): string | null
  /** Each side runs in a process of its own, made for this one sample. */
  serve(transport: Transport, settings: Settings): Promise<Serving>
  drive(transport: Transport, addresses: readonly Address[], settings: Settings): Promise<Sample>
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

/** Opens `count` connections, `flight` at a time, to each address in turn. */
export async function openMany(
  transport: Transport,
  addresses: readonly Address[],
  count: number,
  flight: number,
): Promise<Connection[]> {
  const connections: Connection[] = []
  let next = 0
  const some = async (): Promise<void> => {
    while (next < count) connections.push(await transport.connect(addresses[next++ % addresses.length]))
  }
  await Promise.all(Array.from({ length: Math.min(flight, count) }, some))
  return connections
}
