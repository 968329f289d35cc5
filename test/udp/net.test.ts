import { afterAll } from 'vitest'
import { createNet } from '../../src/net/index.ts'
import { Stack } from '../../src/stack/index.ts'
import { insteadOn } from '../support/net-cases.ts'

// What `node:net` was seen to do in the unit tests, `net` on a real stack does over real UDP.
const stack = new Stack()
insteadOn(
  'sluice over UDP',
  createNet(() => stack),
)
await import('../unit/net/connect.test.ts')
await import('../unit/net/errors.test.ts')
await import('../unit/net/order.test.ts')
await import('../unit/net/server.test.ts')
await import('../unit/net/socket.test.ts')
await import('../unit/net/stream.test.ts')

afterAll(() => stack.close({ abort: true }))
