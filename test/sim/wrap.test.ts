import { describe, expect, it } from 'vitest'
import type { StackOptions } from '../../src/stack/index.ts'
import { toSeq } from '../../src/wire/index.ts'
import { randomPlan, runTransfer, type TransferPlan } from '../support/transfer.ts'

const MIB = 2 ** 20

/** A stack whose connections begin with a number so far below `edge`, and whose timestamps pass it `ms` after the start. */
function below(edge: number, bytes: number, ms: number): StackOptions {
  return { numbers: { isn: () => toSeq(edge - bytes), timestampOffset: () => toSeq(edge - ms) } }
}

describe.each([
  ['2^32', 2 ** 32],
  // Kept as int32, sequence numbers change their sign here.
  ['2^31', 2 ** 31],
])('sequence numbers and timestamps that cross %s', (_, edge) => {
  it.each([0, 0.05])('in the middle of a transfer, loss %d', (loss) => {
    const end = { chunk: 20_000, endsLast: false, readEveryUs: 0 }
    const plan: TransferPlan = {
      seed: 1,
      link: { delay: 10, loss },
      client: { ...end, size: MIB },
      server: { ...end, size: MIB },
      clientStack: below(edge, MIB / 2, 100),
      serverStack: below(edge, MIB / 3, 150),
    }
    const { client, server } = runTransfer(plan)
    expect(client.mib.TCPOrigDataSent + server.mib.TCPOrigDataSent).toBeGreaterThan((2 * MIB) / 1460)
    expect(client.mib.PAWSEstab + server.mib.PAWSEstab).toBe(0)
  })

  it.each([0, 1, 2, 3, 1000])('%i bytes after the start: SYN, first byte or FIN lie on the edge', (bytes) => {
    for (let size = 0; size <= 4; size++) {
      const end = { size, chunk: 1, endsLast: false, readEveryUs: 0 }
      runTransfer({
        seed: 1,
        link: { delay: 1, loss: 0.1 },
        client: end,
        server: end,
        clientStack: below(edge, bytes, 0),
        serverStack: below(edge, bytes, 1),
      })
    }
  })

  it('in a hundred transfers over random networks', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const plan = randomPlan(seed)
      plan.clientStack = { ...plan.clientStack, ...below(edge, plan.client.size >> 1, seed * 10) }
      plan.serverStack = { ...plan.serverStack, ...below(edge, plan.server.size >> 1, seed * 15) }
      expect(runTransfer(plan).server.mib.PassiveOpens).toBe(1)
    }
  })
})
