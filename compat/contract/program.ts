import type { EventEmitter } from 'node:events'
import type { Net, Server, ServerConstructor, ServerOptions, Socket, SocketConstructor } from '../../src/index.ts'

// What a program of the contract is: a function that uses `net` as applications do, and records what it saw. It runs once on
// `node:net` and once on sluice, each time in a process of its own, and the two records must be the same.

export type { Net, Server, ServerConstructor, ServerOptions, Socket, SocketConstructor }

export interface WatchOptions {
  /** Leaves the properties alone: reading the addresses, for one, makes Node's sockets remember them. Default false. */
  readonly eventsOnly?: boolean
  /** Events and properties that are not recorded: what Node leaves to chance in this program. */
  readonly except?: readonly string[]
}

export interface PairOptions {
  readonly server?: ServerOptions
  /** Of `net.connect`, besides port and host. */
  readonly client?: object
  /** What is done with the server's end in its 'connection' listener. */
  readonly accept?: (peer: Socket) => void
  /** Records nothing of the two sockets. Default: lanes 'client' and 'peer'. */
  readonly unwatched?: boolean
  readonly except?: readonly string[]
}

export interface Pair {
  readonly client: Socket
  /** The server's end. */
  readonly peer: Socket
  readonly server: Server
  readonly port: number
}

export interface Context {
  readonly net: Net
  /** Of the Node that runs. */
  readonly major: number
  /** Puts a line down: a text, and any values. Lines of one lane are compared in their order; the lane is 'main'. */
  record(what: string, ...values: unknown[]): void
  /** The same for a lane, for what has no order with the rest. */
  recordIn(lane: string, what: string, ...values: unknown[]): void
  /** Records the events of a socket or a server in a lane, with their arguments, and what changed of its properties since. */
  watch<Emitter extends EventEmitter>(emitter: Emitter, lane: string, options?: WatchOptions): Emitter
  /** Calls, and records what it returned or threw. */
  attempt<Value>(what: string, call: () => Value): Value | undefined
  /** A callback that records that it was called, and with what. */
  heard(what: string): (...args: unknown[]) => void
  /** Gives a port a name, for the record: its number is another each time. */
  port(number: number, name: string): number
  /** A server that listens, not watched; on 127.0.0.1 by default, on all addresses by null. */
  listen(
    options?: ServerOptions,
    accept?: (peer: Socket) => void,
    host?: string | null,
  ): Promise<{ server: Server; port: number }>
  /** Two ends of a connection, established, whose server listens no more. */
  pair(options?: PairOptions): Promise<Pair>
  /** A port where nobody listens. */
  freePort(name?: string): Promise<number>
  /** The next event, or the arguments of an error if it comes first. */
  next(emitter: EventEmitter, event: string): Promise<unknown[]>
  /** Turns of the event loop. */
  turns(count?: number): Promise<void>
  /** For what must not hold the process: records 'stays' if it lives on all the same. The timer of it holds nothing itself. */
  mustEnd(): void
  /** For what must hold it: records 'stays' while it does, and calls `release`. The timer of it holds nothing itself. */
  mustStay(release: () => void): void
}

export type Run = (context: Context) => unknown

/** A program that changes what is everybody's in its process, and so must have one of its own. */
export interface LoneProgram {
  readonly alone: true
  readonly run: Run
}

/** A program for Nodes from a version on. On older ones sluice is compared with what the newest Node's own net recorded. */
export interface SinceProgram {
  readonly since: string
  readonly run: Run
}

export type Program = Run | SinceProgram | LoneProgram

/** Programs by their names: what is being tried, in words. */
export type Programs = Readonly<Record<string, Program>>

/** Marks a program that must have a process of its own. */
export function alone(run: Run): LoneProgram {
  return { alone: true, run }
}

/** Marks a program that needs a Node version. */
export function since(version: string, run: Run): SinceProgram {
  return { since: version, run }
}
