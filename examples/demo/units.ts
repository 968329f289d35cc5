// Sizes, times and shares as people write them.

const SIZES: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** `4M`, `256MiB`, `1g`, `5000`: bytes. */
export function parseSize(text: string): number {
  const [, number, unit] =
    /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text) ?? refuse('--size', text, '4M, 256M or 1G')
  return Math.round(Number(number) * SIZES[unit.toUpperCase()])
}

/** `20`, `20ms`, `0.1s`: milliseconds. */
export function parseTime(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s)?$/.exec(text) ?? refuse('--delay', text, '20ms or 0.1s')
  return Number(number) * (unit === 's' ? 1000 : 1)
}

/** `5%`, `0.05`: a share of 1. */
export function parseShare(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text) ?? refuse('--loss', text, '5% or 0.05')
  const share = Number(number) / (percent ? 100 : 1)
  if (share >= 1) refuse('--loss', text, 'less than 100%, such as 5% or 0.05')
  return share
}

/** `100mbit`, `1gbit`, `56kbit`, as netem has it. */
export function parseRate(text: string): string {
  return /^\d+(\.\d+)?[kmg]bit$/.test(text) ? text : refuse('--rate', text, '100mbit, 1gbit or 56kbit')
}

export function parseSeed(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : refuse('--seed', text, 'a whole number')
}

function refuse(option: string, text: string, wanted: string): never {
  throw new RangeError(`${option} ${text}: expected ${wanted}`)
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${value.toFixed(value < 100 ? 1 : 0)} ${' KMGT'[power]}iB`
}

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

export function percentText(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

export function timeText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** 1234567 becomes 1,234,567. */
export function countText(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
