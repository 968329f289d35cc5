const two = (value: number): string => String(value).padStart(2, '0')

/** What stands for what, of strftime(3): those that file names are made of. */
const CONVERSIONS: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  F: (date) => formatDate('%Y-%m-%d', date),
  T: (date) => formatDate('%H:%M:%S', date),
  '%': () => '%',
}
const CONVERSION = /%(.)/g

/** The text with the time (nanoseconds since 1970, shown as local time) in the place of its conversions; others stay as they are. */
export const formatTime = (text: string, ns: bigint): string => formatDate(text, new Date(Number(ns / 1_000_000n)))

const formatDate = (text: string, date: Date): string =>
  text.replace(CONVERSION, (whole, letter: string) => CONVERSIONS[letter]?.(date) ?? whole)

function dayOfYear(date: Date): number {
  const midnight = (year: number, month: number, day: number): number => Date.UTC(year, month, day)
  const today = midnight(date.getFullYear(), date.getMonth(), date.getDate())
  return Math.round((today - midnight(date.getFullYear(), 0, 0)) / 86_400_000)
}
