import { describe, expect, it } from 'vitest'
import { socketTable, timerText } from '../../../src/lab/table.ts'
import { withNetwork } from '../../../src/testing/index.ts'

describe('the socket table', () => {
  it.each([
    [59_000, '59sec'],
    [1203, '1.203ms'],
    [40, '040ms'],
    [83_000, '1min23sec'],
    [900_000, '15min'],
    [0, '0ms'],
  ])('writes %d ms as ss does: %s', (ms, text) => {
    expect(timerText({ name: 'on', left: ms * 1000, count: 3 })).toBe(`timer:(on,${text},3)`)
  })

  it('has the states in the words of ss, and the timers', () =>
    withNetwork({ seed: 1, delay: 10 }, async ({ host, network }) => {
      host('server').net.createServer({ allowHalfOpen: true }).listen(80)
      const socket = host('client').net.connect(80, 'server')
      socket.on('error', () => {})
      await network.until(() => !socket.connecting)
      socket.destroy()
      await network.advance(1000)
      const table = socketTable(network)
      expect(table[0]).toBe('State       Recv-Q  Send-Q  Local Address:Port  Peer Address:Port')
      expect(table.find((line) => line.startsWith('FIN-WAIT-2'))).toMatch(/10\.0\.0\.1:80 +timer:\(timewait,59sec,0\)$/)
      expect(table.find((line) => line.startsWith('LISTEN'))).toMatch(/0 +511 +\[::\]:80 +\[::\]:\*$/)
      expect(table.some((line) => line.startsWith('CLOSE-WAIT'))).toBe(true)
    }))
})
