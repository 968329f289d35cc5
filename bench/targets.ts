// What sluice is to reach. Nothing fails where it does not: whoever reads the table decides, for a busy machine tells little.

export interface Target {
  /** Name of a measurement. */
  measurement: string
  figure: string
  /** Label of a setting; empty: the defaults. */
  setting: string
  /** The least, where more is better, or the most: of a quotient, or in the figure's own unit. */
  bound: number
  /** What it is divided by: the defaults of another transport, or sluice's own figure of another measurement; null: nothing. */
  over: { kind: string } | { measurement: string } | null
}

const NET = { kind: 'net' } as const

function target(measurement: string, figure: string, setting: string, bound: number, over: Target['over']): Target {
  return { measurement, figure, setting, bound, over }
}

export const targets: readonly Target[] = [
  target('bulk:1', 'throughput', '', 1, NET),
  target('bulk:1', 'throughput', 'mtu 1500', 0.8, NET),
  target('bulk:1', 'throughput', 'mtu 1500, no offload', 1.5, { kind: 'udx' }),
  target('bulk:16', 'throughput', '', 0.9, NET),
  target('bulk:1', 'cost', '', 1.2, NET),
  target('bulk:1', 'cost', 'mtu 1500', 1.2, NET),
  target('ping', 'p50', '', 1.15, NET),
  target('ping', 'p99', '', 1.3, NET),
  target('connects', 'flight1', '', 1, NET),
  target('connects', 'flight32', '', 1, NET),
  target('http', 'requests', '', 0.9, NET),
  target('memory:100000', 'serverRss', '', 5, null),
  target('memory:100000', 'clientRss', '', 5, null),
  target('memory:100000', 'serverIdle', '', 1, null),
  target('memory:100000', 'clientIdle', '', 1, null),
  target('crowd:10000', 'cost', '', 1.5, { measurement: 'crowd:10' }),
]
