import assert from 'node:assert/strict'
import { createClient, RESP_TYPES } from 'redis'
import { big, sameBytes } from '../kit.js'

export const packageName = 'redis'
export const inject = '`socket: { tls: true, socket }`: one connection, with TLS, and no coming back'

export default async function (t) {
  const { port, tlsPort } = await t.server('redis')
  const { cert } = await t.certificate()
  const client = async () => {
    const socket = t.injected
      ? {
          tls: true,
          socket: await t.connected(tlsPort),
          host: '127.0.0.1',
          port: tlsPort,
          ca: cert,
          servername: 'localhost',
        }
      : { host: '127.0.0.1', port }
    const made = createClient({ socket })
    made.on('error', (error) => {
      throw error
    })
    return made.connect()
  }
  const redis = await client()
  const buffers = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  await redis.set('redis:big', big)
  sameBytes(await buffers.get('redis:big'))
  // Many commands in flight.
  const counted = await Promise.all(Array.from({ length: 1000 }, () => redis.incr('redis:count')))
  assert.deepEqual(
    counted,
    Array.from({ length: 1000 }, (_, n) => n + 1),
  )
  const results = await redis.multi().set('redis:a', '1').get('redis:a').del('redis:a').exec()
  assert.deepEqual(results, ['OK', '1', 1])

  const subscriber = await client()
  const heard = new Promise((resolve) =>
    subscriber.subscribe('redis:news', resolve).then(() => redis.publish('redis:news', 'hello')),
  )
  assert.equal(await heard, 'hello')
  await redis.del(['redis:big', 'redis:count'])
  await subscriber.close()
  await redis.close()
}
