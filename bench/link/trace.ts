// What a sluice stack did, a line an event: time in ms, what, and the numbers that belong to it.

import { closeSync, openSync, writeSync } from 'node:fs'
import type { Stack } from '../../src/index.ts'

type Tracer = NonNullable<Stack['tracer']>

const FLUSH = 1 << 16

export function traceTo(stack: Stack, file: string): () => void {
  const fd = openSync(file, 'w')
  let text = ''
  const write = (now: number, line: string): void => {
    text += `${(now / 1000).toFixed(3)} ${line}\n`
    if (text.length >= FLUSH) flush()
  }
  const flush = (): void => {
    writeSync(fd, text)
    text = ''
  }
  const segment = (what: string): Tracer['segmentReceived'] => {
    return (_id, now, { seq, ack, wnd, flags, payloadLength, sack, sackCount, tsVal, tsEcr }) => {
      const blocks = Array.from({ length: sackCount }, (_, i) => `${sack[i * 2] >>> 0}-${sack[i * 2 + 1] >>> 0}`)
      write(
        now,
        `${what} seq=${seq >>> 0} len=${payloadLength} ack=${ack >>> 0} wnd=${wnd} flags=${flags} ` +
          `ts=${tsVal >>> 0}/${tsEcr >>> 0} sack=${blocks.join()}`,
      )
    }
  }
  const sent = segment('sent')
  const resent = segment('resent')
  stack.tracer = {
    segmentSent: (id, now, what, retransmission) => (retransmission ? resent : sent)(id, now, what),
    segmentReceived: segment('received'),
    stateChanged: (_id, now, from, to) => write(now, `state ${from} ${to}`),
    caStateChanged: (_id, now, from, to, reason) => write(now, `ca_state ${from} ${to} ${reason}`),
    cwndChanged: (_id, now, cwnd, ssthresh, reason) => write(now, `cwnd ${cwnd} ${ssthresh} ${reason}`),
    timerFired: (_id, now, timer) => write(now, `timer ${timer}`),
  }
  return () => {
    flush()
    closeSync(fd)
  }
}
