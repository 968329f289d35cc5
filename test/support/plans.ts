import { congestionControlNames } from '../../src/congestion/index.ts'
import { type DirectionFields, Rng } from '../../src/impair/index.ts'
import type { StackOptions } from '../../src/stack/index.ts'
import type { SysctlName } from '../../src/stack/sysctl-table.ts'
import type { EndPlan, TransferPlan } from './transfer.ts'
import type { Span, WeatherPlan } from './weather.ts'

const KIB = 1024
const MIB = 1024 * KIB
/** What a datagram holds besides a segment's payload: shim, header, timestamps, SACK blocks. */
const OVERHEAD = 80
/** No path that a plan has swallows smaller datagrams than these. */
const LEAST_BASE_MSS = 300

/** Chance, by name. */
class Dice {
  readonly #rng: Rng

  constructor(rng: Rng) {
    this.#rng = rng
  }

  chance(p: number): boolean {
    return this.#rng.next() < p
  }

  /** Whole, both ends included. */
  between(low: number, high: number): number {
    return low + this.#rng.nextInt(high - low + 1)
  }

  /** As many small ones as large ones, in orders of magnitude. */
  around(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.#rng.next())
  }

  upTo(most: number): number {
    return Math.round(this.#rng.next() * most * 1e4) / 1e4
  }

  one<T>(of: readonly T[]): T {
    return of[this.#rng.nextInt(of.length)] as T
  }
}

/** How a network treats the plan, as far as the rest of the plan has to know. */
interface Roughness {
  /** The most that is lost, either way. */
  loss: number
  /** Somewhere large datagrams vanish for good. */
  blackHole: boolean
}

/** Patience without end: a plan is there to arrive, not to find out when TCP gives up. */
const MANY = 40

type Draw = (dice: Dice, rough: Roughness) => unknown

const flag: Draw = (dice) => dice.between(0, 1)
const range =
  (low: number, high: number): Draw =>
  (dice) =>
    dice.between(low, high)
const orders =
  (low: number, high: number): Draw =>
  (dice) =>
    dice.around(low, high)
const oneOf =
  (...values: unknown[]): Draw =>
  (dice) =>
    dice.one(values)

/** Values for every parameter that there is, none of them such that a connection could not live with it. */
const sysctlDraws: Readonly<Record<SysctlName, Draw>> = {
  tcp_syn_retries: range(MANY, 127),
  tcp_syn_linear_timeouts: range(0, 5),
  tcp_synack_retries: range(MANY, 255),
  tcp_max_syn_backlog: orders(1, 4096),
  somaxconn: orders(1, 4096),
  // 2 takes cookies always, which forgives no loss: what arrives before the third segment of the handshake is reset, as by Linux.
  tcp_syncookies: flag,
  tcp_fastopen: range(0, 3),
  tcp_defer_accept: range(0, 3),
  tcp_abort_on_overflow: flag,

  tcp_orphan_retries: range(MANY, 255),
  // One too many loses its data.
  tcp_max_orphans: orders(100, 16_384),
  tcp_fin_timeout: range(1, 60),
  tcp_timewait_len: (dice) => dice.around(1, 60_000) / 1000,
  tcp_max_tw_buckets: oneOf(0, 1, 262_144),
  tcp_tw_reuse: range(0, 2),
  tcp_rfc1337: flag,

  tcp_retries1: (dice, { blackHole }) => dice.between(blackHole ? 1 : 0, 5),
  tcp_retries2: range(60, 255),
  tcp_rto_min_us: orders(2000, 1_000_000),
  tcp_rto_max_ms: orders(1000, 120_000),
  rto_algorithm: oneOf('rfc6298', 'rfc793'),
  tcp_thin_linear_timeouts: flag,
  tcp_mtu_probing: (dice, { blackHole }) => dice.between(blackHole ? 1 : 0, 2),
  tcp_base_mss: range(LEAST_BASE_MSS, 1024),
  tcp_probe_interval: orders(1, 600),
  tcp_reordering: range(1, 20),
  tcp_max_reordering: orders(3, 300),
  tcp_recovery: range(0, 7),
  tcp_early_retrans: range(0, 4),
  tcp_frto: range(0, 2),
  cwnd_reduction: oneOf('prr', 'rate_halving', 'rfc6675', 'rfc5681'),
  tcp_dsack: flag,
  tcp_fack: flag,
  tcp_sack: flag,
  newreno_exit: flag,
  tcp_timestamps: range(0, 2),

  tcp_window_scaling: flag,
  tcp_rmem: (dice) => {
    const [least, usual, most] = [dice.around(2304, 8192), dice.around(2304, 200_000), dice.around(4096, 6_291_456)]
    return [least, usual, Math.max(usual, most)]
  },
  tcp_wmem: (dice) => {
    const [least, usual, most] = [dice.around(2304, 8192), dice.around(2304, 200_000), dice.around(4096, 4_194_304)]
    return [least, usual, Math.max(usual, most)]
  },
  // Far too little now and then: then the receiver throws away what it had selectively acknowledged.
  tcp_mem: (dice) => {
    const pages = dice.chance(0.5) ? dice.around(1, 64) : 100_000
    return [pages, pages + 1, pages + 2]
  },
  tcp_moderate_rcvbuf: flag,
  tcp_adv_win_scale: range(-2, 3),
  tcp_app_win: range(0, 31),
  tcp_autocorking: flag,
  tcp_notsent_lowat: orders(1000, 2 ** 32 - 1),
  tcp_delack_min_ms: range(0, 200),
  tcp_delack_max_ms: range(0, 499),
  tcp_pingpong_thresh: range(1, 4),
  tcp_keepalive_time: orders(1, 7200),
  tcp_keepalive_intvl: range(1, 75),
  tcp_keepalive_probes: range(MANY, 255),
  tcp_limit_output_bytes: oneOf(0, 2000, 20_000, 4 * MIB),

  tcp_congestion_control: (dice) => dice.one(congestionControlNames()),
  tcp_init_cwnd: (dice) => (dice.chance(0.2) ? 'rfc3390' : dice.around(1, 100)),
  tcp_available_congestion_control: oneOf(''),
  tcp_allowed_congestion_control: oneOf('', 'reno', 'cubic bbr'),
  tcp_cubic_hystart: oneOf('hystart++', 'hystart', 'off'),
  tcp_ecn: range(0, 2),
  tcp_pacing: flag,
  tcp_pacing_ss_ratio: orders(50, 1000),
  tcp_pacing_ca_ratio: orders(50, 1000),
  tcp_slow_start_after_idle: flag,
  tcp_no_metrics_save: flag,
  tcp_no_ssthresh_metrics_save: flag,

  path_keepalive: oneOf(0, 0.5, 20),
  max_paths: range(1, 100),
  exit_linger: range(0, 60),
  icmp_refused_limit: range(1, 10),

  tcp_challenge_ack_limit: orders(1, 1000),
  tcp_invalid_ratelimit: range(0, 1000),
  tcp_max_ooo: (dice) => (dice.chance(0.7) ? 'rcvbuf' : dice.around(1, 100_000)),
  ip_local_port_range: (dice) => {
    const first = dice.between(1024, 65_000)
    return [first, dice.between(first, 65_535)]
  },
  // No path here is long.
  ip_default_ttl: range(1, 255),
  // Nobody sleeps in virtual time.
  busy_poll: range(0, 200),
}

/** The switches of the loss recovery, which are thrown more often than the rest. */
const OFTEN: readonly SysctlName[] = [
  'tcp_sack',
  'tcp_timestamps',
  'tcp_recovery',
  'tcp_early_retrans',
  'tcp_frto',
  'cwnd_reduction',
  'tcp_dsack',
  'tcp_fack',
  'tcp_congestion_control',
]

function sysctls(dice: Dice, rough: Roughness): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const draw = (name: SysctlName): void => {
    values[name] = sysctlDraws[name](dice, rough)
  }
  if (!dice.chance(0.15)) {
    for (const name of Object.keys(sysctlDraws) as SysctlName[]) if (dice.chance(0.1)) draw(name)
    for (const name of OFTEN) if (dice.chance(0.15)) draw(name)
  }
  // Ordinary patience does not outlast what these do.
  if (rough.loss > 0.1)
    for (const name of ['tcp_syn_retries', 'tcp_synack_retries', 'tcp_retries2', 'tcp_keepalive_probes'] as const)
      draw(name)
  return values
}

function size(dice: Dice): number {
  if (dice.chance(0.1)) return dice.between(0, 3)
  if (dice.chance(0.008)) return dice.around(MIB, 8 * MIB)
  return dice.chance(0.12) ? dice.around(32 * KIB, MIB) : dice.around(16, 32 * KIB)
}

function end(dice: Dice): EndPlan {
  const bytes = size(dice)
  const plan: EndPlan = {
    size: bytes,
    // Some thousands of writes are enough.
    chunk: Math.max(dice.chance(0.2) ? dice.between(1, 200) : dice.between(200, 40_000), Math.ceil(bytes / 2000)),
    endsLast: false,
    readEveryUs: dice.chance(0.15) ? dice.around(100, 30_000) : 0,
  }
  if (dice.chance(0.15)) {
    plan.writeEveryUs = dice.around(100, 300_000)
    plan.chunk = Math.max(plan.chunk, Math.ceil(bytes / 100))
  }
  if (dice.chance(0.1))
    plan.pauses = { every: dice.around(1000, 200_000), ms: dice.around(10, 20_000), times: dice.between(1, 4) }
  if (dice.chance(0.15)) {
    const ms = dice.around(5, 1000)
    plan.stalls = Array.from({ length: dice.between(1, 5) }, () => ({ at: dice.around(1, 5000), ms }))
  }
  if (dice.chance(0.3)) plan.noDelay = true
  if (dice.chance(0.1)) plan.corkMs = dice.around(1, 1000)
  if (dice.chance(0.1)) plan.keepAliveMs = dice.around(1000, 60_000)
  if (dice.chance(0.05)) plan.userTimeoutMs = dice.between(3_600_000, 7_200_000)
  return plan
}

/** What the network loses at most of a transfer of so many bytes: much of a large one would take for ever. */
function lossLimit(bytes: number): number {
  if (bytes > MIB) return 0.05
  return bytes > 64 * KIB ? 0.15 : 0.4
}

function link(dice: Dice, most: number): DirectionFields {
  const fields: DirectionFields = { delay: dice.chance(0.1) ? dice.between(100, 300) : dice.between(0, 60) }
  if (dice.chance(0.7)) fields.loss = dice.upTo(dice.chance(0.3) ? most : Math.min(most, 0.06))
  if (dice.chance(0.3)) fields.duplicate = dice.upTo(0.1)
  if (dice.chance(0.3)) fields.reorder = { probability: dice.upTo(0.25), by: dice.around(1, 50) }
  else if (dice.chance(0.1) && Number(fields.delay) > 0) fields.reorder = dice.upTo(0.25)
  if (dice.chance(0.25)) fields.jitter = dice.upTo(fields.delay as number)
  if (dice.chance(0.2)) {
    fields.rate = dice.around(500_000, 100_000_000)
    fields.queue = { packets: dice.around(5, 1000) }
  }
  return fields
}

const span = (dice: Dice, longest: number): Span => {
  const from = dice.chance(0.3) ? 0 : dice.around(1, 10_000)
  return { from, to: from + dice.around(10, longest) }
}

function weather(dice: Dice, most: number, blackHole: number): WeatherPlan | undefined {
  const plan: WeatherPlan = {}
  if (dice.chance(0.15)) {
    const bad = dice.around(1, 300)
    plan.bursts = { good: bad * dice.between(most < 0.1 ? 20 : 4, 50), bad, loss: dice.chance(0.5) ? 1 : 0.5 }
  }
  if (dice.chance(0.06))
    plan.outages = Array.from({ length: dice.between(1, 3) }, () => span(dice, most < 0.1 ? 2000 : 20_000))
  if (dice.chance(0.06)) plan.holes = [{ ...span(dice, 20_000), size: dice.between(LEAST_BASE_MSS + OVERHEAD, 1400) }]
  if (blackHole > 0) plan.holes = [{ from: dice.chance(0.5) ? 0 : dice.around(1, 3000), to: 1e9, size: blackHole }]
  if (dice.chance(0.1))
    plan.spikes = Array.from({ length: dice.between(1, 3) }, () => ({ ...span(dice, 3000), by: dice.around(10, 3000) }))
  return Object.keys(plan).length > 0 ? plan : undefined
}

/** `damages`: the direction in which it does; a segment damaged by both sides could pass the checksum, which sees one flipped bit but not two. */
function stack(dice: Dice, rough: Roughness, damages: 'in' | 'out'): StackOptions {
  const options: StackOptions = {
    sysctl: sysctls(dice, rough),
    mtu: dice.chance(0.25) ? dice.between(576, 9000) : 'auto',
    checksum: dice.chance(0.3) ? 'always' : 'offload',
  }
  if (dice.chance(0.2)) {
    options.impair = { [damages]: { corrupt: dice.upTo(0.05) } }
    options.seed = dice.between(1, 1e6)
  }
  if (dice.chance(0.05)) options.recvBufferSize = dice.around(4096, 65_536)
  return options
}

/**
 * Draws a whole life of two stacks and of the network between them: sizes to 8 MB, most of them small; loss to 40 %, bursts, reordering,
 * duplication, damage, datagrams too large, outages, delay spikes; slow readers and writers, stalled event loops; every parameter; either family,
 * with or without tunnel and shim; and in one of ten plans numbers that are about to wrap. Both sides send by `controller`, or by one that is drawn.
 */
export function drawPlan(seed: number, controller?: string): TransferPlan {
  const dice = new Dice(new Rng(seed).fork('rough plan'))
  const client = end(dice)
  const server = end(dice)
  if (dice.chance(0.4)) {
    if (dice.chance(0.5)) client.endsLast = true
    else server.endsLast = true
  }
  const most = lossLimit(Math.max(client.size, server.size))
  const there = link(dice, most)
  const plan: TransferPlan = { seed, link: there, client, server, clientStack: {}, serverStack: {} }
  if (dice.chance(0.3)) plan.back = link(dice, most)
  const hole = dice.chance(0.04) ? dice.between(LEAST_BASE_MSS + OVERHEAD, 1400) : 0
  const skies = { there: weather(dice, most, hole), back: weather(dice, most, hole) }
  if (skies.there !== undefined || skies.back !== undefined) plan.weather = skies
  if (dice.chance(0.3)) plan.family = 'IPv6'

  const rough: Roughness = {
    loss: Math.max(Number(there.loss ?? 0), Number(plan.back?.loss ?? 0), skies.there || skies.back ? 1 : 0),
    blackHole: hole > 0,
  }
  const damages = dice.one(['in', 'out'] as const)
  plan.clientStack = stack(dice, rough, damages)
  plan.serverStack = stack(dice, rough, damages)
  for (const [{ pauses }, { sysctl }] of [
    [client, plan.clientStack],
    [server, plan.serverStack],
  ] as const) {
    // A buffer that fills while nobody reads.
    if (pauses === undefined || dice.chance(0.3)) continue
    const size = dice.around(2304, 60_000)
    ;(sysctl as Settings).tcp_rmem = [2304, size, size]
    pauses.every = dice.around(100, 10_000)
  }
  if (hole > 0) for (const { sysctl } of [plan.clientStack, plan.serverStack]) fitHole(sysctl as Settings, hole)
  if (dice.chance(0.15)) {
    plan.clientStack.tunnel = { port: 9898 }
    plan.serverStack.tunnel = { port: 9898 }
  }
  if (dice.chance(0.15)) {
    plan.clientStack.encapsulation = 'bare'
    plan.serverStack.encapsulation = 'bare'
  }
  if (dice.chance(0.1)) {
    for (const side of [client, server]) {
      // Within what it sends, so that it does wrap.
      side.iss = 2 ** 32 - dice.between(1, Math.max(2, Math.min(side.size, 100_000)))
      side.tsOffset = 2 ** dice.between(31, 32) - dice.around(1, 3000)
    }
  }
  // Marks of congestion, for those that agree on them.
  if (dice.chance(0.15)) {
    const marks = { loss: dice.upTo(0.05), ecn: true }
    for (const side of [plan.clientStack, plan.serverStack]) {
      ;(side.sysctl as Settings).tcp_ecn = 1
      if (side.impair === undefined && dice.chance(0.7)) side.impair = { [damages]: marks }
    }
  }
  if (controller !== undefined)
    for (const { sysctl } of [plan.clientStack, plan.serverStack])
      (sysctl as Settings).tcp_congestion_control = controller
  return plan
}

/** The same life on a network that does nothing, and read and written without delay. */
export function calmPlan(seed: number): TransferPlan {
  const { link, back = link, clientStack, serverStack, ...plan } = drawPlan(seed)
  delete plan.weather
  for (const side of [plan.client, plan.server]) {
    side.readEveryUs = 0
    delete side.writeEveryUs
    delete side.pauses
    delete side.stalls
    delete side.corkMs
  }
  for (const stack of [clientStack, serverStack]) {
    delete stack.impair
    // Room for a window of small datagrams, which take as much of it as large ones.
    delete stack.recvBufferSize
    // Who says nothing is asked again (tcp_defer_accept).
    if (plan.client.size === 0) delete (stack.sysctl as Settings).tcp_defer_accept
  }
  return { ...plan, link: { delay: link.delay }, back: { delay: back.delay }, clientStack, serverStack }
}

type Settings = Record<string, unknown>

/** The segments that a stack falls back to must fit the hole. */
function fitHole(sysctl: Settings, hole: number): void {
  const most = hole - OVERHEAD
  if (((sysctl.tcp_base_mss as number | undefined) ?? 1024) > most) sysctl.tcp_base_mss = most
}
