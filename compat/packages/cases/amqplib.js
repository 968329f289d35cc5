import assert from 'node:assert/strict'
import { once } from 'node:events'
import amqp from 'amqplib'
import { big, sameBytes } from '../kit.js'

export const packageName = 'amqplib'
export const inject = 'it has no option for it: through `createGateway({ listen: "tcp:…", to: "sluice:…" })`'
export const front = true

export default async function (t) {
  const { port } = await t.server('rabbitmq')
  let gateway
  let local = port
  if (t.injected) {
    const { createGateway } = await import('sluice')
    gateway = createGateway({ listen: 'tcp:127.0.0.1:0', to: `sluice:127.0.0.1:${port}` })
    await once(gateway, 'listening')
    local = gateway.address().port
  }
  const connection = await amqp.connect(`amqp://127.0.0.1:${local}`)
  const channel = await connection.createConfirmChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  const received = []
  const all = new Promise((resolve) => {
    channel.consume(queue, (message) => {
      channel.ack(message)
      if (received.push(message.content) === 201) resolve()
    })
  })
  for (let n = 0; n < 200; n++) channel.sendToQueue(queue, Buffer.from(String(n)))
  channel.sendToQueue(queue, big)
  await channel.waitForConfirms()
  await all
  assert.deepEqual(
    received.slice(0, 200).map(String),
    Array.from({ length: 200 }, (_, n) => String(n)),
  )
  sameBytes(received[200])
  await channel.close()
  await connection.close()
  await gateway?.close()
}
