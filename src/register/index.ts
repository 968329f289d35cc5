import type nodeNet from 'node:net'
import { createNet, type Net, type Route, type SocketTcp } from '../net/index.ts'
import { Stack, type StackOptions } from '../stack/index.ts'
import { acceptNodes, patchLoaders } from './alias.ts'
import { watchBuiltins } from './builtins.ts'
import { patchCarried } from './carried.ts'
import { patchClients } from './clients.ts'
import { patchHandlePassing } from './handles.ts'
import { Patches } from './patches.ts'
import { type RuleList, Rules } from './rules.ts'
import { patchServers } from './servers.ts'
import { type Gateways, type Registration, registration, setRegistration } from './state.ts'

export type { RuleList } from './rules.ts'
export type { Gateways } from './state.ts'

export interface RegisterOptions {
  /** Destinations and ports that go through sluice; default: what `SLUICE_ONLY` says, or all. */
  only?: RuleList | undefined
  /** Destinations and ports that do not, whatever `only` says; default: what `SLUICE_EXCEPT` says, or none. */
  except?: RuleList | undefined
  /** The host whose TCP carries the connections, or how to set one up; default: that of `import net from 'sluice'`. */
  stack?: Stack | StackOptions | undefined
  /** Told of each server of the program that has begun to listen through sluice, before its own `'listening'`. */
  listening?: ((server: nodeNet.Server) => void) | undefined
  /** Reaches those that do not speak sluice. */
  gateways?: Gateways | undefined
}

declare module 'net' {
  interface Socket {
    /** The TCP below a socket that sluice carries: `if (socket.tcp)` tells it from Node's own, and from pipes. */
    readonly tcp?: SocketTcp
  }
}

let patches: Patches | null = null

/** What was registered connects by Node's own TCP after `unregister`: who kept `net.Socket` still has ours. */
function routeOf(rules: Rules, gateways: Gateways | undefined): Route {
  const peers = gateways?.peers.length ? new Rules(gateways.peers, [], ['--sluice', '']) : null
  const isCurrent = (): boolean => registration()?.rules === rules
  return {
    connects: (host, port) => isCurrent() && rules.connects(host, port),
    connectsTo: (host, address, port) => isCurrent() && rules.connectsTo(host, address, port),
    ...(gateways && {
      way: (host: string, address: string, port: number) =>
        peers?.connectsTo(host, address, port) ? null : gateways.way(address, port),
    }),
  }
}

/**
 * Makes Node's own `net`, `tls`, `http`, `https`, `http2` and `fetch` of this thread connect and listen through sluice. Sockets and servers
 * that exist stay what they are. Called again, it takes the new options. Importing `sluice/register` calls it, with options from the environment.
 *
 * Pipes, file descriptors, and what `except` names or `only` does not, are Node's as before. Throws a `RangeError` that names a bad item.
 *
 * @example
 * import { register, unregister } from 'sluice/register'
 * register({ stack: { impair: { loss: 0.05, delay: 100 } }, except: '5432' })
 */
export function register(options: RegisterOptions = {}): void {
  const { SLUICE_ONLY, SLUICE_EXCEPT } = process.env
  const rules = new Rules(options.only ?? SLUICE_ONLY, options.except ?? SLUICE_EXCEPT, [
    options.only === undefined ? 'SLUICE_ONLY' : 'only',
    options.except === undefined ? 'SLUICE_EXCEPT' : 'except',
  ])
  const stack = options.stack === undefined || options.stack instanceof Stack ? options.stack : new Stack(options.stack)
  unregister()
  const { gateways } = options
  const source = stack && (() => stack)
  let net: Net | null = null
  const current: Registration = {
    rules,
    source,
    get net() {
      if (net === null) {
        net = createNet(source, routeOf(rules, gateways))
        acceptNodes(net.Socket)
      }
      return net
    },
    listening: options.listening,
    gateways,
  }
  setRegistration(current)
  patches = new Patches()
  patchClients(patches)
  patchServers(patches)
  patchCarried(patches)
  patchHandlePassing(patches)
  patchLoaders(patches)
  watchBuiltins(patches)
  patches.publish()
}

/**
 * Puts everything back as it was, and closes the connections that http's and https's global agents keep for later. Sockets and servers in use
 * stay what they are until they close. No effect when nothing is registered.
 */
export function unregister(): void {
  if (registration() === null) return
  setRegistration(null)
  patches?.undo()
  patches = null
}

register()
