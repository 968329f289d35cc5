import nodeNet from 'node:net'
import type { BuiltinWish, Net, StackSource, Way } from '../net/index.ts'
import type { RuleList, Rules } from './rules.ts'

/** Relays in this process between sluice and the kernel's TCP, so that nobody else need know sluice. */
export interface Gateways {
  /** Destinations that speak sluice, in the form of `only`. */
  readonly peers: RuleList
  /** How to reach an address that may not speak it; null: it does. */
  way(address: string, port: number): Way | null
  /** Listens, by `listenForSluice` and by the kernel's TCP; `listenForKernel` is what Node itself would do. */
  listen(
    server: nodeNet.Server,
    wish: BuiltinWish,
    listenForSluice: (wish: BuiltinWish) => void,
    listenForKernel: (server: nodeNet.Server, port: number) => void,
  ): void
}

/** What the replacements ask for at each call. Who kept one of them after `unregister` gets Node's own. */
export interface Registration {
  readonly rules: Rules
  /** The `net` that serves what goes through sluice, and what only an address can tell; loaded with its first use. */
  readonly net: Net
  /** Undefined: the default stack, which begins with its first use. */
  readonly source: StackSource | undefined
  readonly listening: ((server: nodeNet.Server) => void) | undefined
  readonly gateways: Gateways | undefined
}

let current: Registration | null = null

export function registration(): Registration | null {
  return current
}

export function setRegistration(registration: Registration | null): void {
  current = registration
}

/** The arguments of `connect` and `listen` as Node's own sorts them out. */
export function normalizeArgs<Options>(args: unknown[]): [Options, (() => void) | null] {
  return (nodeNet as unknown as { _normalizeArgs(args: unknown[]): [Options, (() => void) | null] })._normalizeArgs(
    args,
  )
}
