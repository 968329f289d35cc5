import { expect, it } from 'vitest'
import { SimPair } from '../support/sim-pair.ts'

it('an owner that throws at data is told of the FIN behind it all the same', () => {
  const pair = new SimPair({ link: { delay: 10 } })
  const [client, server] = pair.establish()
  server.onData = () => {
    throw new Error('from the owner')
  }
  client.endpoint.write(Buffer.from('hello'))
  client.endpoint.end()
  const ended = (): boolean => server.hasEnded
  expect(() => pair.until(ended)).toThrow('from the owner')
  expect(server.hasEnded).toBe(false)
  pair.until(ended)
  expect(server.received).toBe(5)
})
