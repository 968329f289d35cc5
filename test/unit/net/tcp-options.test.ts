import { describe, expect, it } from 'vitest'
import net from '../../../src/index.ts'

describe('the tcp of connect and listen', () => {
  it.each([
    [
      'mss',
      10,
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.tcp.mss" is out of range. It must be >= 48 && <= 65495. Received 10',
    ],
    [
      'rcvbuf',
      1.5,
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.tcp.rcvbuf" is out of range. It must be an integer. Received 1.5',
    ],
    [
      'synRetries',
      '3',
      'TypeError [ERR_INVALID_ARG_TYPE]: The "options.tcp.synRetries" property must be of type number. Received type string (\'3\')',
    ],
    [
      'rtoMax',
      10,
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.tcp.rtoMax" is out of range. It must be >= 1000 && <= 120000. Received 10',
    ],
    [
      'userTimeout',
      -1,
      'RangeError [ERR_OUT_OF_RANGE]: The value of "options.tcp.userTimeout" is out of range. It must be >= 0 && <= 2147483647. Received -1',
    ],
  ])('%s: %j is refused at once, by name', (name, value, message) => {
    const said = (action: () => unknown): string => {
      try {
        action()
      } catch (error) {
        const { name, code, message } = error as NodeJS.ErrnoException
        return `${name} [${code}]: ${message}`
      }
      return 'nothing'
    }
    expect(said(() => net.connect({ port: 1, host: '127.0.0.1', tcp: { [name]: value } }))).toBe(message)
    expect(said(() => net.createServer().listen({ port: 0, tcp: { [name]: value } }))).toBe(message)
  })
})
