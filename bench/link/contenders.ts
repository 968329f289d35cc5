import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { congestionControlNames } from '../../src/congestion/index.ts'

export type Side = 'kernel' | 'sluice' | 'udx'

/** Whose transfer it is, and by which congestion control; udx-native has no choice of it. */
export interface Contender {
  side: Side
  algorithm: string
}

/** `theirs` is what `ours` is measured against; null: against nothing. */
export interface Comparison {
  ours: Contender
  theirs: Contender | null
}

/** Flows that share a link. */
export type Sharing = readonly Contender[]

/** `sluice:bbr`, as it is given. */
export const contenderText = ({ side, algorithm }: Contender): string =>
  side === 'udx' ? side : `${side}:${algorithm}`

export const sharingText = (flows: Sharing): string => flows.map(contenderText).join(' + ')

export const DEFAULT_COMPARISONS: readonly Comparison[] = [
  { ours: { side: 'sluice', algorithm: 'reno' }, theirs: { side: 'kernel', algorithm: 'reno' } },
]

/** `sluice:cubic/kernel:cubic,sluice:bbr/udx,sluice:vegas` */
export function parseComparisons(text: string): Comparison[] {
  return text.split(',').map((item) => {
    const [ours, theirs, ...rest] = item.split('/').map(parseContender)
    if (rest.length > 0) throw new InvalidArgumentError(`expected two to compare, as in sluice:bbr/udx, not '${item}'`)
    return { ours, theirs: theirs ?? null }
  })
}

/** `sluice:cubic+kernel:cubic,sluice:bbr+sluice:bbr` */
export function parseSharings(text: string): Sharing[] {
  return text.split(',').map((item) => {
    const flows = item.split('+').map(parseContender)
    const kernels = new Set(flows.filter(({ side }) => side === 'kernel').map(({ algorithm }) => algorithm))
    // A namespace has one default.
    if (kernels.size > 1)
      throw new InvalidArgumentError(`'${item}': the kernel's flows must have the same congestion control`)
    if (flows.length < 2)
      throw new InvalidArgumentError(`expected flows that share a link, as in sluice:bbr+sluice:bbr, not '${item}'`)
    return flows
  })
}

function parseContender(text: string): Contender {
  const [side, algorithm, ...rest] = text.split(':')
  if (text === 'udx') return { side: 'udx', algorithm: 'bbr' }
  if ((side !== 'kernel' && side !== 'sluice') || algorithm === undefined || rest.length > 0)
    throw new InvalidArgumentError(`expected kernel:NAME, sluice:NAME or udx, not '${text}'`)
  if (side === 'sluice' && !congestionControlNames().includes(algorithm))
    throw new InvalidArgumentError(`sluice has no ${algorithm}, it has ${congestionControlNames().join(', ')}`)
  return { side, algorithm }
}

/** Null, or why it cannot run here, though others may. */
export function whyAbsent({ side, algorithm }: Contender): string | null {
  if (side !== 'kernel') return null
  const available = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').trim().split(/\s+/)
  return available.includes(algorithm) ? null : `this kernel has no ${algorithm}, it has ${available.join(', ')}`
}
