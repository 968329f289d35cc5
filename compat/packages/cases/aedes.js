import nodeNet from 'node:net'
import { Aedes } from 'aedes'
import mqtt from 'mqtt'
import { exchange } from './mqtt.js'

export const packageName = 'aedes'
export const inject = '`handle(socket)` of the broker; clients as of mqtt'

export default async function (t) {
  const broker = await Aedes.createBroker()
  const server = t.injected ? {} : nodeNet.createServer(broker.handle)
  const port = await t.listen(server, broker.handle)
  await exchange(() =>
    t.injected
      ? new mqtt.MqttClient(() => t.connect({ port, host: '127.0.0.1' }), { reconnectPeriod: 0 })
      : mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }),
  )
  await new Promise((resolve) => broker.close(resolve))
  await t.close(server)
}
