import { InvalidArgumentError } from 'commander'

/** One kind of link. */
export interface Cell {
  /** Mbit/s */
  rate: number
  /** Round trip without queues, ms. */
  rtt: number
  /** Per cent of the packets, in each direction. */
  loss: number
}

export const cellText = ({ rate, rtt, loss }: Cell): string => `${rate} Mbit/s, ${rtt} ms, ${loss} %`

/** Every loss on every round trip at one rate. */
export const crossed = (rate: number, rtts: readonly number[], losses: readonly number[]): Cell[] =>
  rtts.flatMap((rtt) => losses.map((loss) => ({ rate, rtt, loss })))

/** `100/20/0.1,100/100/1`: rate, round trip, loss. */
export function parseCells(text: string): Cell[] {
  return text.split(',').map((item) => {
    const [rate, rtt, loss, ...rest] = item.split('/').map(Number)
    if (!(rate > 0 && rtt >= 0 && loss >= 0 && loss < 100) || rest.length > 0)
      throw new InvalidArgumentError(`expected Mbit/s, ms of round trip and % of loss, as in 100/20/0.1, not '${item}'`)
    return { rate, rtt, loss }
  })
}
