import { describe, expect, it } from 'vitest'
import { congestionControlNames } from '../../../src/congestion/index.ts'
import { CLASSIC, established, type ScriptOptions, segments } from '../../support/script.ts'

describe('the congestion controller of a connection', () => {
  const opened = (options: ScriptOptions) => {
    const s = established(options)
    return s.c.info(s.nowUs).cc.name
  }

  it('[rfc9293#3.8.2 MAY-18] is any that is registered, by the parameter or by the connection itself', () => {
    const names = congestionControlNames()
    expect(names).toEqual(expect.arrayContaining(['reno', 'cubic', 'bbr', 'westwood']))
    for (const name of names) {
      expect(opened({ sysctl: { tcp_congestion_control: name } })).toBe(name)
      expect(opened({ sysctl: { tcp_congestion_control: 'reno' }, connection: { congestionControl: name } })).toBe(name)
    }
  })

  it('[rfc9293#3.8.2 MUST-19] begins with slow start, and goes on linearly above the threshold', () => {
    const s = established({ sysctl: { ...CLASSIC, tcp_init_cwnd: 1 } }).do((c) => {
      c.cc.ssthresh = 4000
    })
    s.write(16_000).expectSent(...segments(1, 1))
    let [sent, acked] = [1, 0]
    // A round trip of 100 ms each: 1, 2, 4 segments; then one more.
    for (const flight of [2, 4, 5, 6]) {
      s.after(100)
      const left: number[] = []
      for (; acked < sent; acked++) {
        s.inject({ ack: 1001 + acked * 1000 })
        left.push(...s.drain().map(({ len }) => len))
      }
      sent += left.length
      expect(sent - acked).toBe(Math.min(flight, 16 - acked))
    }
  })
})
