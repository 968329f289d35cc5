import { describe, expect, it } from 'vitest'
import { data, established, Script } from '../../support/script.ts'

const offers = { checksumOffload: true }

describe('leaving segments to the UDP checksum', () => {
  it('is offered in the SYN, and in the SYN-ACK where the SYN offered it; these two are always checked', () => {
    new Script({ connection: offers }).openActive().expectSent({ flags: 'S', checksumOffload: true, hasChecksum: true })
    new Script().openActive().expectSent({ flags: 'S', checksumOffload: false, hasChecksum: true })
    new Script({ connection: offers, ...offers })
      .openPassive()
      .expectSent({ flags: 'S.', checksumOffload: true, hasChecksum: true })
    new Script({ connection: offers })
      .openPassive()
      .expectSent({ flags: 'S.', checksumOffload: false, hasChecksum: true })
    new Script(offers).openPassive().expectSent({ flags: 'S.', checksumOffload: false, hasChecksum: true })
  })

  it.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])('happens where both offer it: we %s, the peer %s', (we, peer) => {
    const s = established({ connection: { checksumOffload: we }, checksumOffload: peer })
    expect(s.c.checksumOffload).toBe(we && peer)
    s.write(10).expectSent(data(1, 11, { hasChecksum: !(we && peer), checksumOffload: false }))
    s.end().expectSent({ flags: 'F.', hasChecksum: !(we && peer) })
  })

  it('[rfc9293#3.1 MUST-2] a RST in answer to a SYN-ACK is checked', () => {
    const s = new Script({ connection: offers }).openActive()
    s.drain()
    s.inject({ flags: 'S.', seq: 0, ack: 5, checksumOffload: true }).expectSent({ flags: 'R', hasChecksum: true })
  })
})
