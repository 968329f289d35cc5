import { realpathSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { debuglog } from 'node:util'
import { register, unregister } from '../register/index.ts'
import { callAtExit, optionsFromEnvironment, Stack, type StackOptions } from '../stack/index.ts'
import { listenBoth } from './inbound.ts'
import { Outbound } from './outbound.ts'
import { RUN_VARIABLE, Session } from './session.ts'
import type { ProcessReport, UdpTraffic } from './traffic.ts'
import { Watch } from './watch.ts'

// What a process of a run begins with. Whoever connects is impaired, and nobody else: what goes between two processes of the run is
// impaired once, and `in` is always the way to the client.

/** Programs that start others, and are no part of what is tried. */
const LAUNCHERS = /^(?:npm|npx|pnpm|pnpx|yarn|corepack)(?:-cli)?(?:\.[cm]?js)?$/
/** Where the default stack is, for every copy of sluice in the process. */
const DEFAULT_STACK = Symbol.for('sluice.defaultStack')

const log = debuglog('sluice')

/** Takes part in the run that the environment names, if it names one. */
export function takePart(): void {
  const folder = process.env[RUN_VARIABLE]
  // Loading the module has registered already.
  unregister()
  if (!folder || isLauncher(process.argv[1])) return
  new Participant(new Session(folder)).begin()
}

function isLauncher(script: string | undefined): boolean {
  if (script === undefined) return false
  try {
    return LAUNCHERS.test(basename(script)) || LAUNCHERS.test(basename(realpathSync(script)))
  } catch {
    return false
  }
}

class Participant {
  readonly #session: Session
  readonly #stacks: Stack[] = []
  /** These, and those that they speak with in this process. */
  readonly #all: Stack[] = []
  readonly #watches: Watch[] = []
  /** Ports that the program listens on: what comes to them is in the client's capture. */
  readonly #ports = new Set<number>()
  #outbound: Outbound | null = null
  #client: Stack | null = null

  constructor(session: Session) {
    this.#session = session
  }

  begin(): void {
    const session = this.#session
    const { only, except, peers, report } = session.plan
    const stack = this.#stack('program', { filter: ({ localPort }) => !this.#ports.has(localPort) })
    Object.assign(globalThis, { [DEFAULT_STACK]: stack })
    register({
      stack,
      only,
      except,
      gateways: {
        peers,
        way: (address, port) => {
          const at = plain(address)
          if (session.listens(at, port)) {
            log('connect %s:%d: a process of this run, by sluice', at, port)
            return null
          }
          log('connect %s:%d: through a gateway', at, port)
          this.#outbound ??= this.#makeOutbound()
          return this.#outbound.way(at, port)
        },
        listen: (server, wish, listenForSluice, listenForKernel) => {
          listenBoth(
            server,
            wish,
            () => this.#clientStack(),
            listenForSluice,
            listenForKernel,
            ({ address, port }) => {
              log('listen %s:%d: by sluice, and for the kernel by a gateway', address, port)
              this.#ports.add(port)
              const forget = session.note(address, port)
              return () => {
                log('listen %s:%d: no more', address, port)
                this.#ports.delete(port)
                forget()
              }
            },
          )
        },
      },
    })
    log('process %d of the run, seed %d', session.ordinal, stack.seed)
    process.on('exit', () => session.forgetAll())
    // A server ends by a signal more often than not.
    if (report) callAtExit(() => this.#report())
  }

  #makeOutbound(): Outbound {
    const outbound = new Outbound(this.#options('outbound'), optionsFromEnvironment({}))
    this.#adopt(outbound.near, 'outbound', {})
    // Its peer is captured, and has the report on what is injected.
    this.#watch(outbound.far)
    this.#all.push(outbound.far)
    return outbound
  }

  /** The host from which clients of the kernel's TCP come to the servers of this process. */
  #clientStack(): Stack {
    this.#client ??= this.#stack('inbound', {})
    return this.#client
  }

  #stack(role: string, capture: Parameters<Stack['capture']>[1]): Stack {
    const stack = new Stack(this.#options(role))
    this.#adopt(stack, role, capture)
    return stack
  }

  #options(role: string): StackOptions {
    const { SLUICE_SYSCTL, SLUICE_OFFLOAD } = process.env
    const { impair } = this.#session.plan
    return {
      ...optionsFromEnvironment({ SLUICE_SYSCTL, SLUICE_OFFLOAD }),
      impair: impair === '' ? null : impair,
      impairs: 'opened',
      seed: this.#session.seedOf(role),
    }
  }

  #adopt(stack: Stack, role: string, capture: Parameters<Stack['capture']>[1]): void {
    this.#stacks.push(stack)
    this.#all.push(stack)
    // One that the plan's text names is the run's.
    if (this.#session.plan.impair !== '' && stack.impair.seed !== stack.seed) stack.impair.seed = stack.seed
    this.#watch(stack)
    if (this.#session.plan.capture) stack.capture(this.#session.path('capture-', `-${role}.pcapng`), capture)
  }

  #watch(stack: Stack): void {
    if (!this.#session.plan.report) return
    const watch = new Watch()
    this.#watches.push(watch)
    stack.tracer = watch
  }

  #udp(): UdpTraffic {
    const sum = { received: 0, overflowed: 0, unsent: 0 }
    for (const stack of this.#all) {
      const counters = stack.counters()
      sum.received += counters.UdpInDatagrams as number
      sum.overflowed += counters.UdpRcvbufErrors as number
      sum.unsent += counters.UdpSndbufErrors as number
    }
    return sum
  }

  #report(): void {
    const report: ProcessReport = {
      ordinal: this.#session.ordinal,
      pid: process.pid,
      command: process.argv,
      traffic: this.#watches.flatMap((watch) => watch.summary()),
      injected: this.#stacks.flatMap((stack) => stack.impair.report()),
      udp: this.#udp(),
    }
    try {
      writeFileSync(this.#session.path('report-', '.json'), JSON.stringify(report))
    } catch {
      // The run is over, and its folder gone.
    }
  }
}

/** IPv4 addresses as such. */
function plain(address: string): string {
  const bare = address.replace(/^::ffff:(?=[\d.]+$)/i, '')
  if (bare === '0.0.0.0') return '127.0.0.1'
  return bare === '::' ? '::1' : bare
}
