// What a measurement needs of a transport. A new one is a file that implements this and a line in `index.ts`.

import type { Duplex } from 'node:stream'

/** A stream in both directions: a `net.Socket`, or what looks like one in these points. */
export interface Connection {
  write(chunk: Buffer): boolean
  end(): unknown
  destroy(): unknown
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'drain' | 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'drain', listener: () => void): unknown
}

/** What a client must know to connect; passed between processes as JSON. */
export interface Address {
  port: number
}

export interface Transport {
  /** Binds to loopback, to another port with each call. Whoever ends a connection, the other end is ended too, and both are closed. */
  listen(accept: (connection: Connection) => void): Promise<Address>
  /** Resolves when the connection stands: one round trip, not fewer. */
  connect(address: Address): Promise<Connection>
  /** A socket that begins to connect, where the transport has such. */
  socket?(address: Address): Duplex
}

/** Options of one transport; passed between processes as JSON. Those that it does not have mean nothing to it. */
export interface TransportOptions {
  /** Of sluice's stack. */
  mtu?: number | 'probe'
  offload?: 'auto' | 'off' | 'require'
  sysctl?: Readonly<Record<string, number | string | readonly number[]>>
  impair?: Readonly<Record<string, unknown>>
  /** SO_RCVBUF of UDP sockets, bytes. */
  recvBufferSize?: number
  /** Of sluice's `connect`. */
  connect?: Readonly<Record<string, unknown>>
}

export interface TransportKind {
  /** As `--transports` names it. */
  readonly name: string
  /** As the table names it. */
  readonly label: string
  /** Why it cannot be had here; null: it can. */
  whyNot?(): string | null
  open(options: TransportOptions): Promise<Transport>
}

/** A transport with its options. */
export interface Variant {
  /** The name of its kind. */
  kind: string
  /** Of the setting; empty: the defaults. */
  setting: string
  options: TransportOptions
}
