import { describe, expect, it } from 'vitest'
import { congestionControlNames } from '../../../src/congestion/index.ts'
import { Sysctl } from '../../../src/stack/sysctl.ts'
import { CaState } from '../../../src/tcp/state.ts'
import { CLASSIC, established, flight, Script, type ScriptOptions, segments } from '../../support/script.ts'

describe('the congestion controller of a connection (tcp_congestion_control)', () => {
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

  it('is cubic where nobody says otherwise, with the slow start of tcp_cubic_hystart', () => {
    const cc = (options: ScriptOptions) => {
      const s = new Script({ ...options, sysctl: { tcp_congestion_control: 'cubic', ...options.sysctl } })
      return s.c.info(s.nowUs).cc
    }
    expect(new Sysctl().tcp_congestion_control).toBe('cubic')
    expect(cc({})).toMatchObject({ name: 'cubic', hystart: 'hystart++' })
    expect(cc({ sysctl: { tcp_cubic_hystart: 'hystart' } })).toMatchObject({ hystart: 'hystart' })
    expect(cc({ connection: { congestionOptions: { hystart: 'off' } } })).toMatchObject({ hystart: 'off' })
  })

  it('is changed in the middle of a recovery, and the episode goes on', () => {
    const s = flight(10)
    const told: string[] = []
    s.inject({ ack: 1, sack: [[1001, 4001]] })
    s.drain()
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
    const { cwnd, ssthresh } = s.c.cc
    s.c.setCongestionControl('cubic', {}, s.nowUs)
    told.push(s.c.info(s.nowUs).cc.name as string)
    expect(s.c.cc).toMatchObject({ cwnd, ssthresh })
    s.c.setCongestionControl('bbr', {}, s.nowUs)
    told.push(s.c.info(s.nowUs).cc.name as string)
    expect(told).toEqual(['cubic', 'bbr'])
    s.inject({ ack: 10_001 })
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.c.check()).toBeNull()
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
