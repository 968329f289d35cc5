import assert from 'node:assert/strict'
import { once } from 'node:events'
import mqtt from 'mqtt'
import { big, sameBytes } from '../kit.js'

export const packageName = 'mqtt'
export const inject = '`new MqttClient(() => socket, options)`; the server is mosquitto'

export default async function (t) {
  const { port } = await t.server('mosquitto')
  await exchange(() =>
    t.injected
      ? new mqtt.MqttClient(() => t.connect({ port, host: '127.0.0.1' }), { reconnectPeriod: 0 })
      : mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }),
  )
}

/** Of two clients of any broker. */
export async function exchange(connect) {
  const [one, two] = [connect(), connect()]
  await Promise.all([once(one, 'connect'), once(two, 'connect')])
  await two.subscribeAsync('sluice/#', { qos: 2 })
  const received = []
  const all = new Promise((resolve) => {
    two.on('message', (topic, payload) => received.push([topic, payload]) === 61 && resolve())
  })
  for (let n = 0; n < 60; n++) one.publish('sluice/count', String(n), { qos: 1 + (n % 2) })
  await one.publishAsync('sluice/big', big, { qos: 1 })
  await all
  const counted = received.filter(([topic]) => topic === 'sluice/count').map(([, payload]) => Number(payload))
  // Order is kept within one quality of service.
  for (const parity of [0, 1]) {
    assert.deepEqual(
      counted.filter((n) => n % 2 === parity),
      Array.from({ length: 30 }, (_, n) => 2 * n + parity),
    )
  }
  sameBytes(received.find(([topic]) => topic === 'sluice/big')[1])
  await Promise.all([one.endAsync(), two.endAsync()])
}
