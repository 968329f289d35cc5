import { describe, expect, it } from 'vitest'
import { BaseTracer } from '../../src/observe/base-tracer.ts'
import { type ImpairSpec, PROFILES } from '../../src/stack/index.ts'
import { SimPair } from '../support/sim-pair.ts'

/** A transfer both ways under an impairment at the client, and every verdict of it with the bytes it was about. */
function journal(impair: ImpairSpec, size: number): string[] {
  const lines: string[] = []
  const pair = new SimPair({ client: { seed: 11, impair }, server: { seed: 12 }, link: { delay: 0.1 } })
  const watcher = new BaseTracer()
  watcher.frameImpaired = (now, _ends, outgoing, buffer, start, end, verdict) => {
    lines.push(`${now} ${outgoing} ${JSON.stringify(verdict)} ${buffer.toString('base64', start, end)}`)
  }
  pair.client.tracer = watcher
  const [client, server] = pair.establish()
  for (const ear of [client, server]) {
    let left = size
    const write = (): void => {
      left -= ear.endpoint.write(Buffer.alloc(left, 'x'))
    }
    ear.writable = write
    write()
  }
  pair.until(() => client.received === size && server.received === size)
  return lines
}

describe('the same run twice is the same to the byte', () => {
  it.each(PROFILES.filter(({ name }) => name !== 'perfect').map(({ name }) => name))('%s', (profile) => {
    const first = journal({ profile, seed: 5 }, 20_000)
    expect(first.length).toBeGreaterThan(30)
    expect(journal({ profile, seed: 5 }, 20_000)).toEqual(first)
  })

  it.each<[string, ImpairSpec]>([
    ['bursts and jitter', 'burst 2% 20% delay 30ms 10ms 50% distribution paretonormal'],
    ['reordering with a gap', 'delay 10ms reorder 30% 40% gap 4 duplicate 5% 20%'],
    ['a queue with CoDel', 'rate 2mbit queue 100 codel in loss 1%'],
    ['slots', 'slot 5ms 20ms packets 6 loss 2%'],
    ['a schedule', 'loss=1%,every 300ms loss 50% for 100ms,at 100ms delay 50ms'],
    ['a slow reader', 'reader=80kbps 8kb,loss=1%'],
    ['a recorded link', 'link=3 7 12 20,loss=state 2% 30% 10% 50% 1%'],
  ])('%s', (_, impair) => {
    const first = journal(impair, 20_000)
    expect(journal(impair, 20_000)).toEqual(first)
  })
})
