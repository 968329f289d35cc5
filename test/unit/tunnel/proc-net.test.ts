import { describe, expect, it } from 'vitest'
import { addressedByLocalClient, receiveDrops, tableKey } from '../../../src/tunnel/proc-net.ts'

const HEADER =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
const line = (local: string, remote: string, drops = 0): string =>
  ` 8296: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000     0        0 18274 2 00000000c4e5395d ${drops}         `
const table =
  (...lines: string[]) =>
  (): string =>
    [HEADER, ...lines, ''].join('\n')

describe('addressedByLocalClient', () => {
  // The kernel prints addresses in the machine's byte order.
  const client = tableKey('127.0.0.1', 57_894)
  const to = (address: string): string => tableKey(address, 50_362)

  it('finds the address to which a client connected its socket', () => {
    const read = table(line(tableKey('127.0.0.1', 4000), to('127.0.0.9')), line(client, to('127.0.0.2')))
    expect(addressedByLocalClient('127.0.0.1', 57_894, 50_362, read)).toBe('127.0.0.2')
  })

  it('does not know what an unconnected client meant', () => {
    const read = table(line(tableKey('0.0.0.0', 57_894), '00000000:0000'))
    expect(addressedByLocalClient('127.0.0.1', 57_894, 50_362, read)).toBeNull()
  })

  it('does not guess between two', () => {
    const read = table(line(client, to('127.0.0.2')), line(client, to('127.0.0.3')))
    expect(addressedByLocalClient('127.0.0.1', 57_894, 50_362, read)).toBeNull()
  })

  it('does not take a socket that talks to another port', () => {
    const read = table(line(client, tableKey('127.0.0.2', 80)))
    expect(addressedByLocalClient('127.0.0.1', 57_894, 50_362, read)).toBeNull()
  })

  it('finds nothing where there is no table', () => {
    expect(addressedByLocalClient('127.0.0.1', 57_894, 50_362, () => '')).toBeNull()
  })
})

describe('receiveDrops', () => {
  it('tells the drops of each socket', () => {
    const v4 = table(
      line(tableKey('127.0.0.1', 80), '00000000:0000', 7),
      line(tableKey('10.0.0.1', 80), '00000000:0000', 2),
    )
    const v6 = table(line(tableKey('fd00::2', 80), `${'0'.repeat(32)}:0000`, 3))
    const drops = receiveDrops((file) => (file.endsWith('6') ? v6() : v4()))
    expect(drops.get(tableKey('127.0.0.1', 80))).toBe(7)
    expect(drops.get(tableKey('10.0.0.1', 80))).toBe(2)
    expect(drops.get(tableKey('fd00::2', 80))).toBe(3)
    expect(drops.get(tableKey('127.0.0.1', 81))).toBeUndefined()
  })

  it('writes IPv6 addresses as four words', () => {
    expect(tableKey('::1', 443)).toMatch(/^0{24}(01000000|00000001):01BB$/)
  })
})
