import { once } from 'node:events'
import { expect, it } from 'vitest'
import { listen, newStack } from '../support/stacks.ts'

it('a socket names its congestion control, changes it while it runs, and refuses what there is not', async () => {
  const stack = newStack({ sysctl: { tcp_congestion_control: 'reno' } })
  const { net } = stack
  const accepted: string[] = []
  const tcp = { congestionControl: 'vegas', maxPacingRate: 1e9 }
  const { server, port } = await listen(net, (socket) => accepted.push(socket.tcp.congestionControl), { tcp })
  const socket = net.connect({ port, host: '127.0.0.1', tcp: { congestionControl: 'bbr', maxPacingRate: 2e9 } })
  await Promise.all([once(socket, 'connect'), once(server, 'connection')])
  expect(accepted).toEqual(['vegas'])
  expect(socket.tcp).toMatchObject({ congestionControl: 'bbr', maxPacingRate: 2e9 })
  expect(socket.tcp.info()).toMatchObject({ cc: { name: 'bbr' }, max_pacing_rate: 2e9 })

  socket.tcp.congestionControl = 'westwood'
  expect(socket.tcp.info()?.cc.name).toBe('westwood')
  const refused = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) })
  const set = (name: string) => () => {
    socket.tcp.congestionControl = name
  }
  const unknown = /^setsockopt ENOENT: no congestion control is registered as 'nothing'; available: reno cubic bbr/
  expect(set('nothing')).toThrow(refused('ENOENT', unknown))
  stack.sysctl.tcp_allowed_congestion_control = 'cubic'
  expect(set('bbr')).toThrow(refused('EPERM', /^setsockopt EPERM: .* does not allow 'bbr'; allowed: cubic$/))
  expect(socket.tcp.info()?.cc.name).toBe('westwood')
  set('reno')()

  const options = (tcp: object) => () => net.connect({ port, host: '127.0.0.1', tcp })
  expect(options({ congestionControl: 'nothing' })).toThrow(refused('ENOENT', unknown))
  expect(options({ congestionControl: 7 })).toThrow(refused('ERR_INVALID_ARG_TYPE', /options\.tcp\.congestionControl/))
  expect(options({ maxPacingRate: 0 })).toThrow(refused('ERR_OUT_OF_RANGE', /options\.tcp\.maxPacingRate/))
  expect(() => net.createServer().listen({ port: 0, tcp: { congestionControl: 'nothing' } })).toThrow(
    refused('ENOENT', unknown),
  )

  // Not yet connected: for the connection that comes.
  const later = new net.Socket()
  expect(later.tcp.congestionControl).toBe('reno')
  later.tcp.congestionControl = 'cubic'
  later.connect(port, '127.0.0.1')
  await once(later, 'connect')
  expect(later.tcp.info()?.cc.name).toBe('cubic')
  later.destroy()
  socket.destroy()
})
