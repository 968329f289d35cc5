import assert from 'node:assert/strict'
import { once } from 'node:events'
import { AbstractConnector, Redis } from 'ioredis'
import { big, sameBytes } from '../kit.js'

export const packageName = 'ioredis'
export const inject = '`Connector`, a class that gives the stream'

export default async function (t) {
  const { port } = await t.server('redis')
  class Connector extends AbstractConnector {
    constructor({ host, port, disconnectTimeout }) {
      super(disconnectTimeout)
      this.target = { host, port }
    }
    async connect() {
      this.stream = t.connect(this.target)
      return this.stream
    }
  }
  const options = { host: '127.0.0.1', port, ...(t.injected && { Connector }) }
  const redis = new Redis(options)
  await redis.set('ioredis:big', big)
  sameBytes(await redis.getBuffer('ioredis:big'))

  const pipeline = redis.pipeline()
  for (let n = 0; n < 1000; n++) pipeline.rpush('ioredis:list', n)
  const pushed = await pipeline.exec()
  assert.equal(pushed.at(-1)[1], 1000)
  const list = await redis.lrange('ioredis:list', 0, -1)
  assert.deepEqual(list.map(Number), [...Array(1000).keys()])

  const subscriber = new Redis(options)
  await subscriber.subscribe('ioredis:news')
  const heard = once(subscriber, 'message')
  await redis.publish('ioredis:news', 'hello')
  assert.deepEqual(await heard, ['ioredis:news', 'hello'])

  // The server drops the connection; the client comes back by itself.
  const dropped = once(redis, 'close')
  await subscriber.unsubscribe()
  await subscriber.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await dropped
  assert.equal(await redis.del('ioredis:big', 'ioredis:list'), 2)
  await subscriber.quit()
  await redis.quit()
}
