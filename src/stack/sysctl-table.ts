/** Whether a parameter can be set for a whole stack only, or also for one connection. */
export type Scope = 'stack' | 'connection'

interface RowBase {
  /** Empty for plain numbers, counts and switches. */
  readonly unit: string
  readonly scope: Scope
  /** What it decides, in a line. */
  readonly meaning: string
  /** The RFC, the kernel's file, or `ours`. */
  readonly source: string
}

export interface NumberRow extends RowBase {
  readonly kind: 'number'
  readonly default: number
  readonly min: number
  readonly max: number
  /** Fractions are allowed; parameters of ours only, the kernel knows integers. */
  readonly fraction?: boolean
}

/** A number, or one of a few words in place of one. */
export interface NumberOrWordRow<Word extends string> extends RowBase {
  readonly kind: 'number-or-word'
  readonly default: number | Word
  readonly min: number
  readonly max: number
  readonly words: readonly Word[]
}

export interface WordRow<Word extends string> extends RowBase {
  readonly kind: 'word'
  readonly default: Word
  readonly words: readonly Word[]
}

/** The name of something registered, which only the stack that has the registry can check. */
export interface NameRow extends RowBase {
  readonly kind: 'name'
  readonly default: string
  /** What is registered, for the message of an error. */
  readonly of: string
}

/** Names of what is registered, with blanks between; empty: all of them, now and later. */
export interface NamesRow extends RowBase {
  readonly kind: 'names'
  readonly default: ''
  readonly of: string
  readonly readOnly: boolean
}

/** Two or three integers, separated by blanks when written as text. */
export interface ListRow<List extends readonly number[]> extends RowBase {
  readonly kind: 'list'
  readonly default: List
  readonly min: number
  readonly max: number
  /** Each is at least as large as the one before it. */
  readonly ascending: boolean
}

export type Row =
  | NumberRow
  | NumberOrWordRow<string>
  | WordRow<string>
  | NameRow
  | NamesRow
  | ListRow<Pair>
  | ListRow<Triple>

const INT_MAX = 2 ** 31 - 1
/** Seconds that the kernel can hold in an `int` of its own ticks, at 1000 a second. */
const SECONDS_MAX = 2_147_483

const IPV4 = 'net/ipv4/sysctl_net_ipv4.c'
const DEFAULT_CONGESTION_CONTROL = 'cubic'

type Extra = Partial<RowBase>
const BUFFER: Extra = { unit: 'bytes', scope: 'connection' }

const base = (meaning: string, extra: Extra): RowBase => ({ unit: '', scope: 'stack', meaning, source: IPV4, ...extra })

function number(
  value: number,
  min: number,
  max: number,
  meaning: string,
  extra: Extra & { fraction?: boolean } = {},
): NumberRow {
  return { kind: 'number', default: value, min, max, fraction: extra.fraction ?? false, ...base(meaning, extra) }
}

function onOff(value: 0 | 1, meaning: string, extra: Extra = {}): NumberRow {
  return number(value, 0, 1, meaning, extra)
}

function numberOrWord<const Word extends string>(
  value: number | Word,
  words: readonly Word[],
  min: number,
  max: number,
  meaning: string,
  extra: Extra = {},
): NumberOrWordRow<Word> {
  return { kind: 'number-or-word', default: value, words, min, max, ...base(meaning, extra) }
}

function word<const Word extends string>(
  value: Word,
  words: readonly Word[],
  meaning: string,
  extra: Extra = {},
): WordRow<Word> {
  return { kind: 'word', default: value, words, ...base(meaning, extra) }
}

function name(value: string, of: string, meaning: string, extra: Extra = {}): NameRow {
  return { kind: 'name', default: value, of, ...base(meaning, extra) }
}

function names(of: string, readOnly: boolean, meaning: string, extra: Extra = {}): NamesRow {
  return { kind: 'names', default: '', of, readOnly, ...base(meaning, extra) }
}

type Pair = readonly [number, number]
type Triple = readonly [number, number, number]

function list<List extends Pair | Triple>(
  value: List,
  min: number,
  max: number,
  meaning: string,
  extra: Extra & { ascending?: boolean } = {},
): ListRow<Widened<List>> {
  const row = { kind: 'list', min, max, ascending: extra.ascending ?? false, ...base(meaning, extra) } as const
  return { ...row, default: Object.freeze(value) as unknown as Widened<List> }
}

type Widened<List> = List extends Triple ? Triple : Pair

/**
 * Every parameter that this version obeys: types, validation, documentation and the command line are made from this table.
 * Names, units and defaults are Linux's (`Documentation/networking/ip-sysctl.rst`) where it has them; where a default differs
 * from the kernel's, the meaning says so.
 */
export const sysctlTable = {
  // Opening
  tcp_syn_retries: number(6, 1, 127, 'SYN retransmissions of an active open before ETIMEDOUT', {
    scope: 'connection',
    source: 'rfc9293#3.8.3',
  }),
  tcp_syn_linear_timeouts: number(0, 0, 127, 'waits of one second before the SYN timeout begins to double (Linux: 4)'),
  tcp_synack_retries: number(5, 0, 255, 'SYN-ACK retransmissions of a half-open connection'),
  tcp_max_syn_backlog: number(4096, 0, INT_MAX, 'half-open connections that a listener keeps when cookies are off'),
  somaxconn: number(4096, 0, INT_MAX, 'longest accept queue; the backlog of listen is cut to it', {
    source: 'net/core/sysctl_net_core.c',
  }),
  tcp_syncookies: number(1, 0, 2, 'SYN cookies: 0 never, 1 when the SYN queue is full, 2 always', {
    source: 'net/ipv4/syncookies.c; rfc4987#3.6',
  }),
  tcp_fastopen: number(1, 0, 3, 'TCP Fast Open, bits: 1 for connects, 2 for listeners', { source: 'rfc7413' }),
  tcp_defer_accept: number(0, 0, SECONDS_MAX, 'a connection is handed on when data has come, or so much time passed', {
    unit: 's',
    scope: 'connection',
    source: 'ours; an option of sockets in Linux, TCP_DEFER_ACCEPT',
  }),
  tcp_abort_on_overflow: onOff(0, 'accept queue full: 0 drops what would complete a handshake, 1 answers it with RST'),

  // Closing
  tcp_orphan_retries: number(0, 0, 255, 'retransmissions of a connection that no socket owns any more; 0 means 8'),
  tcp_max_orphans: number(16_384, 0, INT_MAX, 'connections that no socket owns any more; more are reset at once'),
  tcp_fin_timeout: number(60, 0, SECONDS_MAX, 'longest FIN_WAIT_2 of a connection that no socket owns any more', {
    unit: 's',
    source: 'rfc9293#3.6',
  }),
  tcp_timewait_len: number(60, 0.001, 86_400, 'time in TIME_WAIT, twice the maximum segment lifetime', {
    unit: 's',
    fraction: true,
    source: 'ours; rfc9293#3.4.1, TCP_TIMEWAIT_LEN of include/net/tcp.h',
  }),
  tcp_max_tw_buckets: number(262_144, 0, INT_MAX, 'records in TIME_WAIT; a connection that closes beyond it skips it'),
  tcp_tw_reuse: number(2, 0, 2, 'a connect may take a tuple in TIME_WAIT: 0 never, 1 everywhere, 2 on loopback', {
    source: 'rfc6191',
  }),
  tcp_rfc1337: onOff(0, '1: a RST does not end TIME_WAIT', { source: 'rfc1337' }),

  // Retransmission and loss
  tcp_retries1: number(3, 0, 255, 'timeouts in a row after which the path is suspected', { source: 'rfc9293#3.8.3' }),
  tcp_retries2: number(15, 0, 255, 'gives up after the time that so many doublings of the shortest timeout take', {
    scope: 'connection',
    source: 'rfc9293#3.8.3',
  }),
  tcp_rto_min_us: number(200_000, 1, INT_MAX, 'floor of the variance term of the retransmission timeout', {
    unit: 'µs',
    scope: 'connection',
    source: 'rfc6298#2',
  }),
  tcp_rto_max_ms: number(120_000, 1000, 120_000, 'longest retransmission timeout', {
    unit: 'ms',
    scope: 'connection',
    source: 'rfc6298#2.5',
  }),
  rto_algorithm: word('rfc6298', ['rfc6298', 'rfc793'], 'how the retransmission timeout follows the round-trip time', {
    source: 'ours; rfc6298, rfc793',
  }),
  tcp_thin_linear_timeouts: onOff(0, 'thin streams do not double their first six timeouts', { scope: 'connection' }),
  tcp_mtu_probing: number(
    1,
    0,
    2,
    '1: after tcp_retries1 timeouts segments shrink to tcp_base_mss, 2: from the start',
    {
      source: 'rfc4821',
    },
  ),
  tcp_base_mss: number(1024, 48, 65_535, 'segment size to fall to when the path may be a black hole', {
    unit: 'bytes',
    source: 'rfc4821#7.2',
  }),
  tcp_probe_interval: number(600, 0, SECONDS_MAX, 'time after which larger segments are tried again', {
    unit: 's',
    source: 'rfc4821#7.7',
  }),
  tcp_reordering: number(3, 1, INT_MAX, 'duplicate acknowledgements that mean loss, before reordering has been seen', {
    source: 'rfc5681#3.2',
  }),
  tcp_max_reordering: number(300, 1, INT_MAX, 'the most that reordering seen can raise tcp_reordering to'),
  tcp_recovery: number(
    1,
    0,
    7,
    'bits: 1 RACK, 2 static reordering window, 4 no duplicate threshold; 0: SACK counting',
    {
      source: 'rfc8985',
    },
  ),
  tcp_early_retrans: number(3, 0, 4, '0 off, 1 and 2 early retransmit (RFC 5827), 3 and 4 tail loss probe', {
    source: 'rfc8985#7',
  }),
  tcp_frto: number(2, 0, 2, 'F-RTO: finds out whether a timeout was spurious', { source: 'rfc5682' }),
  cwnd_reduction: word(
    'prr',
    ['prr', 'rate_halving', 'rfc6675', 'rfc5681'],
    'how the window comes down in a recovery',
    {
      source: 'ours; rfc9937',
    },
  ),
  tcp_dsack: onOff(1, 'sends duplicate selective acknowledgements', { source: 'rfc2883' }),
  tcp_fack: onOff(0, 'with tcp_recovery 0: forward acknowledgement, until reordering is seen (Linux: obsolete)', {
    source: 'net/ipv4/tcp_input.c until Linux 4.15',
  }),
  tcp_sack: onOff(1, 'offers and accepts selective acknowledgements', { source: 'rfc2018' }),
  newreno_exit: onOff(1, '1: without SACK, Recovery ends only above its recovery point', {
    source: 'ours; rfc6582#4.1',
  }),
  tcp_timestamps: number(
    1,
    0,
    2,
    'offers timestamps: 1 with an offset that is a keyed hash of path and ports, 2 with none',
    {
      source: 'rfc7323#3',
    },
  ),

  // Windows, buffers, small packets
  tcp_window_scaling: onOff(1, 'offers window scaling', { source: 'rfc7323#2' }),
  tcp_rmem: list([4096, 131_072, 6_291_456], 1, INT_MAX, 'receive buffer: min, default, max', BUFFER),
  tcp_wmem: list([4096, 16_384, 4_194_304], 1, INT_MAX, 'send buffer: min, default, max', BUFFER),
  tcp_mem: list([190_000, 253_000, 380_000], 1, INT_MAX, 'memory of all connections: low, pressure, high', {
    unit: 'pages of 4096 bytes',
    ascending: true,
  }),
  tcp_moderate_rcvbuf: onOff(1, 'the receive buffer grows with what the application reads in a round trip'),
  tcp_adv_win_scale: number(
    1,
    -31,
    31,
    'share of the receive buffer that is window: n > 0 all but 2^-n, else 2^n of it',
  ),
  tcp_app_win: number(31, 0, 31, 'the 2^-n part of the window is kept for the application; 0 keeps nothing'),
  tcp_autocorking: onOff(1, 'a small segment waits while earlier ones of its connection wait in the UDP layer', {
    source: 'net/ipv4/tcp.c',
  }),
  tcp_notsent_lowat: number(2 ** 32 - 1, 1, 2 ** 32 - 1, 'bytes written and not sent, above which writers wait', {
    unit: 'bytes',
    scope: 'connection',
    source: 'net/ipv4/tcp.c',
  }),
  tcp_delack_min_ms: number(40, 0, 499, 'shortest delay of a delayed acknowledgement', {
    unit: 'ms',
    source: 'ours; TCP_DELACK_MIN of include/net/tcp.h',
  }),
  tcp_delack_max_ms: number(200, 0, 499, 'longest delay of a delayed acknowledgement', {
    unit: 'ms',
    source: 'ours; rfc9293#3.8.6.3, TCP_DELACK_MAX of include/net/tcp.h',
  }),
  tcp_pingpong_thresh: number(1, 1, 255, 'exchanges after which a connection counts as interactive'),
  tcp_keepalive_time: number(7200, 1, SECONDS_MAX, 'idle time before the first keepalive probe', {
    unit: 's',
    scope: 'connection',
    source: 'rfc9293#3.8.4',
  }),
  tcp_keepalive_intvl: number(75, 1, SECONDS_MAX, 'time between keepalive probes', { unit: 's', scope: 'connection' }),
  tcp_keepalive_probes: number(9, 0, 255, 'unanswered keepalive probes that end a connection', { scope: 'connection' }),
  tcp_limit_output_bytes: number(4 * 2 ** 20, 0, INT_MAX, 'bytes of a connection that wait in the UDP layer', {
    unit: 'bytes',
  }),

  // Congestion
  tcp_congestion_control: name(
    DEFAULT_CONGESTION_CONTROL,
    'congestion control',
    'congestion control of new connections',
    {
      scope: 'connection',
      source: 'net/ipv4/tcp_cong.c',
    },
  ),
  tcp_available_congestion_control: names('congestion controls', true, 'the congestion controls that are registered'),
  tcp_allowed_congestion_control: names(
    'congestion controls',
    false,
    'what connections may choose, besides the default of the stack; at first all that is registered',
  ),
  tcp_init_cwnd: numberOrWord(10, ['rfc3390'], 1, 65_535, 'initial congestion window; rfc3390: two to four segments', {
    unit: 'segments',
    source: 'ours (a metric of routes in Linux); rfc6928',
  }),
  tcp_cubic_hystart: word(
    'hystart++',
    ['hystart++', 'hystart', 'off'],
    "how cubic leaves its first slow start before loss ends it: hystart: the kernel's ACK train and delay",
    { scope: 'connection', source: 'ours (a parameter of the module tcp_cubic in Linux); rfc9406' },
  ),
  tcp_ecn: number(
    2,
    0,
    2,
    '1: ask for explicit congestion notification, and grant it; 2: grant it; marks come from impairment',
    {
      source: 'rfc3168#6.1.1',
    },
  ),
  tcp_pacing: onOff(1, 'controllers that name no rate are paced too, as under the queueing discipline fq in Linux', {
    source: 'ours (in Linux the queueing discipline decides)',
  }),
  tcp_pacing_ss_ratio: number(200, 0, 1000, 'pace in slow start, of a window in a round trip', { unit: '%' }),
  tcp_pacing_ca_ratio: number(120, 0, 1000, 'pace after slow start, of a window in a round trip', { unit: '%' }),
  tcp_slow_start_after_idle: onOff(1, 'an idle retransmission timeout makes the congestion window decay', {
    source: 'rfc2861',
  }),

  tcp_no_metrics_save: onOff(0, '1: what a connection learns of its path is not kept for the next one'),
  tcp_no_ssthresh_metrics_save: onOff(1, '1: the slow start threshold is not kept'),

  // Paths
  path_keepalive: number(20, 0, SECONDS_MAX, 'time between probes of an idle path by its opener; 0 is off', {
    unit: 's',
    fraction: true,
    source: 'ours; rfc8085#3.5',
  }),
  max_paths: number(2048, 1, INT_MAX, 'connected UDP sockets; by default half of what descriptors a process may have', {
    source: 'ours',
  }),
  ip_default_ttl: number(64, 1, 255, 'hops that datagrams of new UDP sockets may take; 64 leaves it to the system', {
    source: 'rfc9293#3.9.2',
  }),
  busy_poll: number(
    100,
    0,
    INT_MAX,
    'how long to look for what comes next before the process sleeps, where that costs no more (Linux: 0, never)',
    { unit: 'µs', source: 'net/core/sysctl_net_core.c' },
  ),
  exit_linger: number(30, 0, SECONDS_MAX, 'how long unacknowledged data of closed sockets may hold the process', {
    unit: 's',
    fraction: true,
    source: 'ours',
  }),
  icmp_refused_limit: number(
    3,
    1,
    255,
    'refusals in a row, over a second at least, that end an established connection',
    {
      source: 'ours; rfc5927#5.2',
    },
  ),

  // Defence
  tcp_challenge_ack_limit: number(1000, 1, INT_MAX, 'challenge acknowledgements of the whole stack (Linux: no limit)', {
    unit: 'per second',
    source: 'rfc5961#7',
  }),
  tcp_invalid_ratelimit: number(500, 0, INT_MAX, 'shortest time between answers to bad segments of a connection', {
    unit: 'ms',
    source: 'rfc5961#7',
  }),
  tcp_max_ooo: numberOrWord('rcvbuf', ['rcvbuf'], 0, INT_MAX, 'out of order data of a connection; rcvbuf: its buffer', {
    unit: 'bytes',
    source: 'ours',
  }),
  ip_local_port_range: list([32_768, 60_999], 1, 65_535, 'ephemeral ports: first and last', {
    ascending: true,
    source: 'rfc6056',
  }),
} satisfies Record<string, Row>

/** Parameters that there were once, and why there are not any more. */
export const removedSysctls: Readonly<Record<string, string>> = {
  tcp_tw_recycle:
    'it was removed from Linux 4.12, because it drops the connections of hosts that share an address behind a NAT; ' +
    'for outgoing connections see tcp_tw_reuse',
}

export type SysctlName = keyof typeof sysctlTable

type ValueOf<R> =
  R extends NumberOrWordRow<infer Word>
    ? number | Word
    : R extends WordRow<infer Word>
      ? Word
      : R extends ListRow<infer List>
        ? List
        : R extends NameRow | NamesRow
          ? string
          : R extends NumberRow
            ? number
            : never

/** The value of every parameter, by name. */
export type SysctlValues = {
  readonly [Name in SysctlName]: ValueOf<(typeof sysctlTable)[Name]>
}
