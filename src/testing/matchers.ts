import { AssertionError } from 'node:assert'
import { type SocketConstructor, stackOf } from '../net/index.ts'
import { Stack, type TcpInfo } from '../stack/index.ts'
import { Host } from './host.ts'
import { currentNetwork, Network } from './network.ts'

type Socket = InstanceType<SocketConstructor>

/** How often: exactly so, or between bounds. Left out: at least once. */
export type Count = number | { readonly atLeast?: number; readonly atMost?: number }

/** What `expect.extend` of vitest and jest takes. */
export interface MatcherResult {
  readonly pass: boolean
  readonly message: () => string
}

/** TCP's states by the kernel's names, those of `ss` and those of RFC 9293. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED',
  SYN_RECEIVED: 'SYN_RECV',
  FIN_WAIT_1: 'FIN_WAIT1',
  FIN_WAIT_2: 'FIN_WAIT2',
  CLOSED: 'CLOSE',
  UNCONN: 'CLOSE',
}
const STATES = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
]
const CA_OPEN = 0

/** Matchers for `expect.extend(matchers)`. */
export const matchers = {
  /** Of a socket, a host, a stack or a network: segments were sent again. */
  toHaveRetransmitted(subject: unknown, expected?: Count): MatcherResult {
    return judge('segments sent again', retransmissionsOf(subject), expected)
  },

  /** Of a network: segments were lost on its links, for whatever reason. */
  toHaveLost(subject: unknown, expected?: Count): MatcherResult {
    return judge('segments lost', networkOf(subject, 'toHaveLost').statistics().lost, expected)
  },

  /** Of a host or a stack: a counter stands at so much, by the kernel's name: `'TCPTimeouts'`. */
  toHaveCounted(subject: unknown, counter: string, expected?: Count): MatcherResult {
    const counters = countersOf(subject)
    if (!Object.hasOwn(counters, counter)) throw new RangeError(`There is no counter ${JSON.stringify(counter)}`)
    return judge(counter, counters[counter], expected)
  },

  /** Of a socket: its connection is in this state, whether the socket itself is closed or not. */
  toBeInState(subject: unknown, state: string): MatcherResult {
    const wanted = canonicalState(state)
    const found = stateOf(socketOf(subject, 'toBeInState'))
    return {
      pass: found === wanted,
      message: () =>
        `expected the connection ${found === wanted ? 'not ' : ''}to be in ${wanted}, and it is in ${found}`,
    }
  },

  /**
   * Of a socket: within so many milliseconds of the network's time everything that it had to deliver is acknowledged, and it is no
   * longer about repairing losses. Of a promise: it is resolved within that time.
   */
  async toRecoverWithin(subject: unknown, ms: number): Promise<MatcherResult> {
    const promise = isPromise(subject) ? subject : null
    const network = promise === null ? networkOfSocket(socketOf(subject, 'toRecoverWithin')) : currentNetwork()
    if (network === undefined) throw new TypeError('toRecoverWithin wants a network around it: see withNetwork')
    const startUs = network.nowUs
    const isDone = promise === null ? recovery(subject as Socket) : resolution(promise)
    const pass = await network.until(isDone, ms)
    const tookMs = (network.nowUs - startUs) / 1000
    return {
      pass,
      message: () =>
        pass
          ? `expected no recovery within ${ms} ms, and it took ${tookMs} ms`
          : `expected recovery within ${ms} ms, and after that time ${describe(subject)}`,
    }
  },
}

type Arguments<Fn> = Fn extends (...args: infer Args) => unknown ? Args : never

/** The matchers as functions that throw an `AssertionError`, for node:test and wherever there is no `expect`: `assertions.toBeInState(socket, 'ESTABLISHED')`. */
export const assertions: {
  [Name in keyof typeof matchers]: (
    ...args: Arguments<(typeof matchers)[Name]>
  ) => ReturnType<(typeof matchers)[Name]> extends Promise<unknown> ? Promise<void> : void
} = Object.fromEntries(
  Object.entries(matchers).map(([name, matcher]) => {
    const assertion = (...args: never[]): void | Promise<void> => {
      const result = (matcher as (...args: never[]) => MatcherResult | Promise<MatcherResult>)(...args)
      const check = ({ pass, message }: MatcherResult): void => {
        if (!pass) throw new AssertionError({ message: message(), operator: name, stackStartFn: assertion })
      }
      return isPromise(result) ? (result as Promise<MatcherResult>).then(check) : check(result as MatcherResult)
    }
    return [name, assertion]
  }),
) as never

function judge(what: string, count: number, expected: Count | undefined): MatcherResult {
  const { atLeast, atMost } =
    typeof expected === 'number'
      ? { atLeast: expected, atMost: expected }
      : { atLeast: 1, atMost: Infinity, ...expected }
  const pass = count >= atLeast && count <= atMost
  const wanted =
    atLeast === atMost ? `${atLeast}` : atMost === Infinity ? `at least ${atLeast}` : `${atLeast} to ${atMost}`
  return { pass, message: () => `expected ${pass ? 'not ' : ''}${wanted} ${what}, and there were ${count}` }
}

function retransmissionsOf(subject: unknown): number {
  if (subject instanceof Network) return subject.statistics().retransmitted
  if (subject instanceof Host || subject instanceof Stack) return subject.counters().RetransSegs
  return infoOf(socketOf(subject, 'toHaveRetransmitted'))?.total_retrans ?? 0
}

function countersOf(subject: unknown): Record<string, number> {
  if (subject instanceof Host || subject instanceof Stack) return subject.counters()
  throw new TypeError('toHaveCounted wants a host or a stack')
}

function networkOf(subject: unknown, matcher: string): Network {
  if (subject instanceof Network) return subject
  throw new TypeError(`${matcher} wants a network`)
}

function socketOf(subject: unknown, matcher: string): Socket {
  if (typeof subject === 'object' && subject !== null && 'tcp' in subject && subject.tcp !== undefined)
    return subject as Socket
  throw new TypeError(`${matcher} wants a socket of sluice`)
}

const networkOfSocket = (socket: Socket): Network | undefined => {
  const stack = stackOf(socket)
  const network = currentNetwork()
  if (network?.hosts.some((host) => host.stack === stack)) return network
  return Network.of(stack)
}

function infoOf(socket: Socket): TcpInfo | undefined {
  return socket.tcp.info() ?? recordOf(socket)?.info ?? undefined
}

/** What the stack still knows of the connection. */
function recordOf(socket: Socket): ReturnType<Stack['sockets']>[number] | undefined {
  const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '')
  const [local, remote] = [plain(socket.localAddress), plain(socket.remoteAddress)]
  return stackOf(socket)
    ?.sockets()
    .find(
      (record) =>
        record.localPort === socket.localPort &&
        record.remotePort === socket.remotePort &&
        record.localAddress === local &&
        record.remoteAddress === remote,
    )
}

function stateOf(socket: Socket): string {
  return recordOf(socket)?.state ?? (socket.destroyed ? 'CLOSE' : (socket.tcp.info()?.state_name ?? 'CLOSE'))
}

function canonicalState(name: string): string {
  const upper = String(name).toUpperCase().replaceAll('-', '_')
  const state = OTHER_NAMES[upper] ?? upper
  if (!STATES.includes(state)) throw new RangeError(`There is no state ${JSON.stringify(name)}: ${STATES.join(', ')}`)
  return state
}

function recovery(socket: Socket): () => boolean {
  const toDeliver = recordOf(socket)?.sendQ ?? 0
  const target = (infoOf(socket)?.bytes_acked ?? 0) + toDeliver
  return () => {
    const info = infoOf(socket)
    return info !== undefined && info.bytes_acked >= target && info.ca_state === CA_OPEN && info.backoff === 0
  }
}

function resolution(promise: PromiseLike<unknown>): () => boolean {
  let resolved = false
  promise.then(
    () => {
      resolved = true
    },
    () => {},
  )
  return () => resolved
}

function describe(subject: unknown): string {
  if (isPromise(subject)) return 'the promise is not resolved'
  const info = infoOf(subject as Socket)
  if (info === undefined) return 'there is no connection'
  return `${info.unacked} segments are unacknowledged, backoff is ${info.backoff}, ca_state ${info.ca_state}`
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
