import { describe, expect, it } from 'vitest'
import type { ImpairFields } from '../../src/impair/index.ts'
import type { StackOptions } from '../../src/stack/index.ts'
import { runTransfer, type TransferPlan, type TransferResult } from '../support/transfer.ts'

const MIB = 2 ** 20

/** 4 MiB from the client to the server and 1 MiB back, by two stacks that both impair what they send. */
function transfer(seed: number, impair: ImpairFields, options: StackOptions = {}): TransferResult {
  const end = { chunk: 65_536, endsLast: false, readEveryUs: 0 }
  const plan: TransferPlan = {
    seed,
    link: { delay: 5 },
    client: { ...end, size: 4 * MIB },
    server: { ...end, size: MIB },
    clientStack: { impair: { out: impair }, seed, ...options },
    serverStack: { impair: { out: impair }, seed: seed + 1000, ...options },
  }
  return runTransfer(plan)
}

describe.each([1, 2, 3])('4 MiB, every byte checked on arrival and every invariant at each step: seed %i', (seed) => {
  it('5 % loss', () => {
    const { client } = transfer(seed, { loss: 0.05 })
    expect(client.mib.RetransSegs).toBeGreaterThan(100)
  })

  it('20 % reordering by 5 ms', () => {
    const { server } = transfer(seed, { reorder: { probability: 0.2, by: 5 } })
    expect(server.mib.TCPOFOQueue).toBeGreaterThan(100)
  })

  it('5 % duplication', () => {
    const { client, server } = transfer(seed, { duplicate: 0.05 })
    expect(server.mib.InSegs - client.mib.OutSegs).toBeGreaterThan(100)
  })

  it('2 % of each with 30 ms jitter', () => {
    const { client } = transfer(seed, {
      loss: 0.02,
      reorder: 0.02,
      duplicate: 0.02,
      corrupt: 0.02,
      delay: 30,
      jitter: 30,
    })
    expect(client.mib.RetransSegs).toBeGreaterThan(100)
  })

  it.each(['offload', 'always'] as const)('1 % corruption, with checksum: %s', (checksum) => {
    const { client, server } = transfer(seed, { corrupt: 0.01 }, { checksum })
    // All that was damaged was dropped and counted: by its checksum, or by a header that cannot be.
    expect(server.mib.InCsumErrors).toBeGreaterThan(20)
    expect(server.mib.InErrs).toBeGreaterThanOrEqual(server.mib.InCsumErrors)
    expect(client.mib.RetransSegs).toBeGreaterThan(20)
  })
})
