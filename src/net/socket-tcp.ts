import { defaultStack, type Endpoint, type ListenTcpOptions, type Stack, type TcpInfo } from '../stack/index.ts'
import { validateBoolean, validateInt32, validateNumber, validateString } from './args.ts'
import { optionError, outOfRange } from './errors.ts'
import { kHandle, kStack, type SocketInternals } from './internals.ts'
import type { SocketTcp, TcpOptions } from './types.ts'

/** `socket.tcp`. */
export class Tcp implements SocketTcp {
  readonly #socket: SocketInternals
  #last: TcpInfo | undefined
  #linger = -1
  /** Null leaves it to the options of `connect`. */
  #userTimeout: number | null = null
  #congestionControl: string | null = null
  #maxPacingRate: number | null = null
  #corked = false

  constructor(socket: SocketInternals) {
    this.#socket = socket
  }

  info(): TcpInfo | undefined {
    return this.#socket[kHandle]?.info() ?? this.#last
  }

  keepLast(info: TcpInfo | undefined): void {
    this.#last = info
  }

  shutdownRead(): void {
    this.#endpoint?.shutdownRead()
  }

  get linger(): number {
    return this.#linger
  }

  set linger(seconds: number) {
    validateNumber(seconds, 'linger')
    this.#linger = seconds < 0 ? -1 : seconds
    this.apply()
  }

  get userTimeout(): number {
    return this.#userTimeout ?? this.#endpoint?.userTimeout ?? 0
  }

  set userTimeout(ms: number) {
    validateInt32(ms, 'userTimeout', 0)
    this.#userTimeout = ms
    this.apply()
  }

  get congestionControl(): string {
    const chosen = this.#endpoint?.congestionControl ?? this.#congestionControl
    return chosen ?? this.#stack().sysctl.tcp_congestion_control
  }

  set congestionControl(name: string) {
    checkTcpOptions(this.#stack, { congestionControl: name })
    this.#congestionControl = name
    this.#endpoint?.setCongestionControl(name)
  }

  get maxPacingRate(): number {
    return this.#endpoint?.maxPacingRate ?? this.#maxPacingRate ?? Number.POSITIVE_INFINITY
  }

  set maxPacingRate(rate: number) {
    checkTcpOptions(this.#stack, { maxPacingRate: rate })
    this.#maxPacingRate = rate
    this.apply()
  }

  cork(): void {
    this.#corked = true
    this.#endpoint?.cork()
  }

  uncork(): void {
    this.#corked = false
    this.#endpoint?.uncork()
  }

  /** To the connection, if there is one: settings may come before it, and are those of the next as well. */
  apply(): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined || endpoint === null) return
    endpoint.linger = this.#linger
    if (this.#userTimeout !== null) endpoint.userTimeout = this.#userTimeout
    if (this.#maxPacingRate !== null) endpoint.maxPacingRate = this.#maxPacingRate
    if (this.#congestionControl !== null && this.#congestionControl !== endpoint.congestionControl)
      endpoint.setCongestionControl(this.#congestionControl)
    if (this.#corked) endpoint.cork()
  }

  get #stack(): () => Stack {
    return this.#socket[kStack] ?? defaultStack
  }

  get #endpoint(): Endpoint | null | undefined {
    return this.#socket[kHandle]?.endpoint
  }
}

const INT_MAX = 0x7fffffff

/** The numbers among the options, each with the least and the most that Linux takes (setsockopt), and whether it must be whole. */
const RANGES: readonly (readonly [
  name: keyof TcpOptions | keyof ListenTcpOptions,
  min: number,
  max: number,
  whole: boolean,
])[] = [
  ['userTimeout', 0, INT_MAX, true],
  ['synRetries', 1, 127, true],
  ['rtoMin', 0.001, 1_000_000, false],
  ['rtoMax', 1000, 120_000, true],
  ['finTimeout', -1, INT_MAX, false],
  ['mss', 48, 65_495, true],
  ['sndbuf', 1, INT_MAX, true],
  ['rcvbuf', 1, INT_MAX, true],
  ['notsentLowat', 1, 2 ** 32 - 1, true],
  ['tunnelPort', 1, 65_535, true],
  ['deferAccept', 0, INT_MAX, false],
]

/** The `tcp` of `connect` and `listen`: throws what setsockopt would say, or an argument error. */
export function checkTcpOptions(stack: () => Stack, tcp: TcpOptions | ListenTcpOptions | null | undefined): void {
  if (tcp === undefined || tcp === null) return
  for (const [name, min, max, whole] of RANGES) {
    const value: unknown = (tcp as Record<string, unknown>)[name]
    if (value === undefined) continue
    validateNumber(value, `options.tcp.${name}`)
    if (whole && !Number.isInteger(value)) throw outOfRange(`options.tcp.${name}`, 'an integer', value)
    if (!(value >= min && value <= max)) throw outOfRange(`options.tcp.${name}`, `>= ${min} && <= ${max}`, value)
  }
  if (tcp.thinLinearTimeouts !== undefined) validateBoolean(tcp.thinLinearTimeouts, 'options.tcp.thinLinearTimeouts')
  const { congestionControl, congestionOptions, maxPacingRate } = tcp
  if (maxPacingRate !== undefined) {
    validateNumber(maxPacingRate, 'options.tcp.maxPacingRate')
    if (!(maxPacingRate > 0)) throw outOfRange('options.tcp.maxPacingRate', '> 0', maxPacingRate)
  }
  if (congestionControl === undefined && congestionOptions === undefined) return
  if (congestionControl !== undefined) validateString(congestionControl, 'options.tcp.congestionControl')
  const name = congestionControl ?? stack().sysctl.tcp_congestion_control
  const problem = stack().congestionControlProblem(name, congestionOptions)
  if (problem !== null) throw optionError(problem.code, problem.text)
}
