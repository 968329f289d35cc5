import { connect as connectBuiltin } from 'node:net'
import net, {
  connect,
  createGateway,
  createServer,
  type Gateway,
  registerCongestionControl,
  type Server,
  type Socket,
  Stack,
} from 'sluice'
import { type RegisterOptions, register, unregister } from 'sluice/register'

const server: Server = createServer((socket: Socket) => {
  socket.pipe(socket)
})
server.listen(0, () => {
  const one: Socket = connect(7, '127.0.0.1')
  const other: Socket = net.connect({ port: 7 })
  const third: Socket = new net.Socket()
  for (const socket of [one, other, third]) socket.on('data', (data) => data.toString()).end()
})
const stack: Stack = new Stack({ sysctl: { tcp_congestion_control: 'reno' }, impair: { loss: 0.05, delay: 100 } })
const foreign: Socket = stack.net.connect(7)
// The default names types too, as Node's does.
const named: net.Socket = foreign
const address = server.address() as net.AddressInfo
void stack.close({ abort: true })
// @ts-expect-error A port is no object of this shape.
connect({ nonsense: true })
// @ts-expect-error There is no such way to carry segments.
new Stack({ encapsulation: 'pigeon' })

// Who registers asks Node's own sockets, which may be ours.
const options: RegisterOptions = { only: ['10.0.0.0/8', '80'], except: '5432', stack: { seed: 1 } }
register(options)
unregister()
const rtt: number | undefined = connectBuiltin(7).tcp?.info()?.rtt

const gateway: Gateway = createGateway({ listen: 'tcp:0', to: server, proxyProtocol: 2 })
// @ts-expect-error There is no third version.
createGateway({ listen: 'tcp:0', to: 'sluice:1', proxyProtocol: 3 })

export const seen: unknown[] = [gateway, named, address, registerCongestionControl, rtt]

import { type Count, matchers, type NetworkOptions, withNetwork } from 'sluice/testing'

const weather: NetworkOptions = { loss: '5%', delay: 100, seed: 7 }
const count: Count = { atLeast: 1 }
void withNetwork(weather, async ({ net: simulated, network, host }) => {
  const end: Socket = simulated.connect(7)
  host('server', { sysctl: { tcp_retries2: 8 } })
    .net.createServer()
    .listen(7)
  network.drop((segment) => segment.syn && segment.attempt === 1, { times: 1 })
  const { pass } = matchers.toHaveRetransmitted(end, count)
  return pass
})
