import { describe, expect, it } from 'vitest'
import { data, established } from '../../support/script.ts'

describe('tcp_autocorking', () => {
  it('linux: a small segment waits while earlier ones wait below, and takes along what is written meanwhile', () => {
    const s = established({ connection: { noDelay: true } }).write(10)
    s.expectSent(data(1, 11))
    s.corked = true
    s.write(10).expectSent().write(20).expectSent()
    expect(s.mib.TCPAutoCorking).toBe(1)
    expect(s.c.awaitsSink).toBe(true)
    s.corked = false
    s.pull().expectSent(data(11, 41, { flags: 'P.' }))
    expect(s.c.awaitsSink).toBe(false)
  })

  it('tcp_autocorking=0: it does not', () => {
    const s = established({ connection: { noDelay: true }, sysctl: { tcp_autocorking: 0 } }).write(10)
    s.expectSent(data(1, 11))
    s.corked = true
    s.write(10).expectSent(data(11, 21))
    expect(s.mib.TCPAutoCorking).toBe(0)
  })

  it('nor does one that is full, has a FIN, or is alone', () => {
    const s = established({ connection: { noDelay: true } })
    s.corked = true
    s.write(10).expectSent(data(1, 11))
    s.write(1005).expectSent(data(11, 1011))
    s.write(10).expectSent()
    s.end().expectSent(data(1011, 1026, { flags: 'FP.' }))
  })

  it('an ACK that comes meanwhile lets it go: nothing of the connection is below any more', () => {
    const s = established({ connection: { noDelay: true } }).write(10)
    s.expectSent(data(1, 11))
    s.corked = true
    s.write(10).expectSent().inject({ ack: 11 }).expectSent(data(11, 21))
  })
})
