// What a measurement needs of a transport. A new one is a file that implements this and a line in `index.ts`.

/** A stream in both directions: a `net.Socket`, or what looks like one in these points. */
export interface Connection {
  write(chunk: Buffer): boolean
  end(): unknown
  destroy(): unknown
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'drain' | 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What a client must know to connect; passed between processes as JSON. */
export interface Address {
  port: number
}

export interface Transport {
  /** Binds to loopback. Whoever ends a connection, the other end is ended too, and both are closed. */
  listen(accept: (connection: Connection) => void): Promise<Address>
  /** Resolves when the connection stands: one round trip, not fewer. */
  connect(address: Address): Promise<Connection>
}

/** Settings that make variants of one transport; passed between processes as JSON. */
export interface TransportOptions {
  mtu?: number
}

export interface TransportKind {
  /** As `--transports` names it. */
  readonly name: string
  /** As the table names it. */
  readonly label: string
  open(options: TransportOptions): Promise<Transport>
}

/** A transport with its settings: a column of the table. */
export interface Variant {
  /** The name of its kind. */
  kind: string
  label: string
  options: TransportOptions
}
