import { describe, expect, it } from 'vitest'
import { ack, CLASSIC, data, established, synSent } from '../../support/script.ts'

// What a connection tells of itself, by the names and units of linux: tcp_get_info, include/uapi/linux/tcp.h.

describe('info', () => {
  it('shows a fresh connection as ss would', () => {
    const s = established({ timestamps: true, sack: true, wscale: 9 })
    expect(s.c.info(s.nowUs)).toMatchObject({
      state: 1,
      state_name: 'ESTABLISHED',
      ca_state: 0,
      retransmits: 0,
      probes: 0,
      backoff: 0,
      options: 7,
      snd_wscale: 9,
      rcv_wscale: 7,
      rto: 300_000,
      snd_mss: 988,
      rcv_mss: 536,
      unacked: 0,
      sacked: 0,
      lost: 0,
      retrans: 0,
      pmtu: 1512,
      rtt: 100_000,
      rttvar: 50_000,
      snd_ssthresh: 2_147_483_647,
      snd_cwnd: 10,
      advmss: 1460,
      reordering: 3,
      total_retrans: 0,
      bytes_acked: 0,
      bytes_received: 0,
      segs_out: 2,
      segs_in: 1,
      data_segs_out: 0,
      data_segs_in: 0,
      notsent_bytes: 0,
      min_rtt: 100_000,
      snd_wnd: 65_535,
    })
    expect(s.c.info(s.nowUs).cc).toMatchObject({ name: 'reno' })
  })

  it('counts', () => {
    const s = established({ sysctl: { ...CLASSIC, tcp_init_cwnd: 2 } }).write(3000)
    s.drain()
    s.at(50).inject({ len: 700 }).expectSent(ack(701))
    s.expectAt(300, data(1, 1001)).at(450)
    expect(s.c.info(s.nowUs)).toMatchObject({
      ca_state: 4,
      retransmits: 1,
      backoff: 1,
      rto: 600_000,
      ato: 40_000,
      rcv_mss: 700,
      unacked: 2,
      lost: 2,
      retrans: 1,
      total_retrans: 1,
      last_data_sent: 150,
      last_data_recv: 400,
      bytes_sent: 3000,
      bytes_retrans: 1000,
      bytes_received: 700,
      notsent_bytes: 1000,
      segs_out: 6,
      segs_in: 2,
      data_segs_out: 3,
      data_segs_in: 1,
      snd_cwnd: 1,
      snd_ssthresh: 2,
    })
    s.inject({ ack: 2001 })
    expect(s.c.info(s.nowUs)).toMatchObject({ bytes_acked: 2000, last_ack_recv: 0, notsent_bytes: 0, unacked: 1 })
  })

  it('[rfc6298#2] rttvar is the mean deviation, as ss shows it, not what the RTO is made of', () => {
    const s = established({ rtt: 8 })
    expect(s.c.info(s.nowUs)).toMatchObject({ rtt: 8000, rttvar: 4000, rto: 208_000 })
  })

  it('linux: rwnd_limited is the time in which the peer’s window alone held back what was to be sent', () => {
    const limited = (tcp_init_cwnd: number, written: number, wnd = 65_535) => {
      const s = established({ sysctl: { tcp_init_cwnd }, connection: { sndbuf: 200_000 } })
      s.inject({ ack: 1, wnd }).write(written).drain()
      const { busy_time, rwnd_limited } = s.c.info(s.nowUs + 100_000)
      return [busy_time, rwnd_limited]
    }
    // Ten segments of 1000 bytes leave; what is to follow is more than the window takes, but waits for the congestion window.
    expect(limited(10, 100_000)).toEqual([100_000, 0])
    expect(limited(100, 100_000)).toEqual([100_000, 100_000])
    expect(limited(10, 5000, 3000)).toEqual([100_000, 100_000])
  })

  it('before there is a connection', () => {
    const s = synSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ state_name: 'SYN_SENT', rtt: 0, min_rtt: 0, rto: 1_000_000, options: 0 })
  })

  it('OutSegs counts no retransmissions, RetransSegs nothing else', () => {
    const s = established({ sysctl: CLASSIC })
    const { OutSegs } = s.mib
    s.write(2000).expectSent({}, {}).expectAt(300, data(1, 1001))
    expect(s.mib.OutSegs - OutSegs).toBe(2)
    expect(s.mib.RetransSegs).toBe(1)
    synSent().expectAt(1000, { flags: 'S' })
  })
})
