import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { accepted, ack, established, Script, synReceived, synSent } from '../../support/script.ts'

describe('active open', () => {
  it('[rfc9293#3.10.1] sends a SYN, acknowledges the SYN-ACK and is established', () => {
    const s = new Script().openActive().expectState(State.SYN_SENT)
    s.expectSent({ t: 0, flags: 'S', seq: 0, len: 0, ack: 0 })
    s.at(50).inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 })
    s.expectSent(ack(1, { t: 50, seq: 1 })).expectState(State.ESTABLISHED).expectEvents('connected').expectQuiet()
    expect(s.mib.ActiveOpens).toBe(1)
    expect(s.mib.CurrEstab).toBe(1)
  })
})
