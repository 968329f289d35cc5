import net, { connect, createServer, registerCongestionControl, type Server, type Socket, Stack } from 'sluice'

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

export const seen: unknown[] = [named, address, registerCongestionControl]
