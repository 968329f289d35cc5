import { InvalidArgumentError } from 'commander'
import type { Setting } from './measurements/index.ts'
import type { TransportOptions } from './transports/index.ts'

/** A sluice of its own: `mtu=1500,offload=off,tcp_autocorking=0`. What is no option of a stack is a parameter of its sysctl. */
export function parseSetting(text: string): Setting {
  const options: TransportOptions = {}
  const sysctl: Record<string, string> = {}
  for (const item of text.split(',')) {
    const [, name, value] = /^([a-z]\w*)=(.+)$/i.exec(item) ?? []
    if (name === undefined) throw new InvalidArgumentError(`expected name=value,…, as in mtu=1500, not '${item}'`)
    if (name === 'mtu') options.mtu = value === 'probe' ? value : wholeNumber(value)
    else if (name === 'recvBufferSize') options.recvBufferSize = wholeNumber(value)
    else if (name === 'offload') options.offload = value as TransportOptions['offload']
    else sysctl[name] = value
  }
  if (Object.keys(sysctl).length > 0) options.sysctl = sysctl
  return { label: text.replaceAll(',', ', ').replaceAll('=', ' '), options, kinds: ['sluice'] }
}

export function wholeNumber(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number <= 0) throw new InvalidArgumentError('expected a whole number above 0')
  return number
}
