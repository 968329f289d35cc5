import { describe, expect, it } from 'vitest'
import { established, type Script } from '../../support/script.ts'

describe('tcp_max_ooo', () => {
  const gaps = (s: Script, count: number): Script =>
    s.burst(...Array.from({ length: count }, (_, i) => ({ seq: 1001 + 2000 * i, len: 1000 })))

  it('is the most that waits for a gap to fill; more is dropped, and told of by nobody', () => {
    const s = gaps(established({ sack: true, sysctl: { tcp_max_ooo: 2500 } }), 4)
    expect(s.c.receiver.reassembly.length).toBe(2000)
    expect(s.mib).toMatchObject({ TCPOFOQueue: 2, TCPOFODrop: 2 })
    expect(s.drain().at(-1)?.sack).toEqual([
      [3001, 4001],
      [1001, 2001],
    ])
    // What comes in order is always taken.
    s.inject({ seq: 1, len: 1000 })
    expect(s.readAll()).toBe(2000)
  })

  it('follows the buffer as long as nobody says otherwise', () => {
    const s = gaps(established(), 10)
    expect(s.c.receiver.reassembly.length).toBe(10_000)
    expect(s.mib.TCPOFODrop).toBe(0)
  })
})
