import { describe, expect, it } from 'vitest'
import { ListenRig } from '../support/listen-rig.ts'
import { CloseReason, Ear, SECOND, SimPair } from '../support/sim-pair.ts'

// What one connection may have of its own in place of the stack's parameters: the `tcp` of `connect` and `listen`.

describe('of one connection', () => {
  it('synRetries, in place of tcp_syn_retries: how often its SYN is repeated', () => {
    const pair = new SimPair()
    const timedOut = (more: { synRetries?: number; userTimeout?: number }): number => {
      const ear = new Ear()
      const began = pair.world.nowUs
      pair.client.connect({ address: '10.0.0.200', port: 7000, ...more }, ear)
      pair.until(() => ear.reason === CloseReason.ConnectTimedOut)
      return Math.round((pair.world.nowUs - began) / SECOND)
    }
    expect(timedOut({ synRetries: 1 })).toBe(3)
    expect(timedOut({ synRetries: 3 })).toBe(15)
    expect(timedOut({})).toBe(127)
    expect(timedOut({ userTimeout: 5000 })).toBe(5)
  })

  it('rtoMin and rtoMax, in place of tcp_rto_min_us and tcp_rto_max_ms: what its timer keeps to', () => {
    const pair = new SimPair({ link: { delay: 5 } })
    const rto = (more: object): number => {
      const ear = pair.connect(more)
      pair.until(() => ear.isConnected)
      const { connection } = ear.endpoint
      const first = Math.round(connection.rto / 1000)
      connection.rtt.backoff = 20
      return first * 1_000_000 + Math.round(connection.rto / 1000)
    }
    expect(rto({})).toBe(210_120_000)
    expect(rto({ rtoMin: 50 })).toBe(60_120_000)
    expect(rto({ rtoMax: 3000 })).toBe(210_003_000)
  })

  it('finTimeout, in place of tcp_fin_timeout: how long it waits for the FIN of its peer', () => {
    const pair = new SimPair()
    const left = (seconds: number): number => {
      pair.pass(seconds)
      return pair.client.sockets().length
    }
    const [first, second] = [pair.connect({ finTimeout: 5 }), pair.connect()]
    pair.pass(1)
    first.endpoint.close()
    second.endpoint.close()
    expect(left(4.9)).toBe(2)
    expect(left(0.2)).toBe(1)
    expect(left(56)).toBe(0)
    const third = pair.connect({ finTimeout: -1 })
    pair.pass(1)
    third.endpoint.close()
    expect(left(0.1)).toBe(0)
    expect(pair.client.mib.TCPAbortOnLinger).toBe(1)
  })

  it('thinLinearTimeouts, and all others follow the stack, now and later', () => {
    const pair = new SimPair()
    const [own] = [pair.connect({ thinLinearTimeouts: true }), pair.connect()]
    const { sysctl } = own.endpoint.connection.host
    expect(sysctl.tcp_thin_linear_timeouts).toBe(1)
    expect(pair.client.sysctl.tcp_thin_linear_timeouts).toBe(0)
    pair.client.sysctl.tcp_retries2 = 3
    expect(sysctl.tcp_retries2).toBe(3)
  })
})

describe('of all that come to a listener', () => {
  it('holds for each of them', () => {
    const rig = new ListenRig({ tcp: { finTimeout: 5, userTimeout: 2000, rtoMin: 50 } })
    const ear = rig.connect(rig.client())
    rig.until(() => rig.accepted.length === 1)
    const { endpoint } = rig.accepted[0]
    expect(endpoint.userTimeout).toBe(2000)
    expect(endpoint.connection.host.sysctl.tcp_rto_min_us).toBe(50_000)
    endpoint.close()
    rig.pass(4.5)
    expect(rig.stack.sockets().map(({ state }) => state)).toEqual(['LISTEN', 'FIN_WAIT2'])
    rig.pass(1)
    expect(rig.stack.sockets().map(({ state }) => state)).toEqual(['LISTEN'])
    expect(ear.hasEnded).toBe(true)
  })
})
