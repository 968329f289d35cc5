// The folder's door: the `net` of the default stack, its parts by name, and how other stacks get theirs.
import { createNet } from './net.ts'

export { type BuiltinWish, isCarried, kernelServers, listenForBuiltin } from './builtin-server.ts'
export { isClusterWorker } from './cluster-worker.ts'
export { type ConnectFunction, type CreateServerFunction, createNet, type Net, netFor, stackOf } from './net.ts'
export { namePeer } from './peer-name.ts'
export type { LocalWish, Route, Way } from './route.ts'
export { Socket } from './socket.ts'
export type {
  ConnectOptions,
  KeepAliveOptions,
  ListenOptions,
  NetConnectOptions,
  ServerConstructor,
  ServerOptions,
  SocketConstructor,
  SocketOptions,
  SocketTcp,
  StackSource,
  TcpConnectOptions,
  TcpOptions,
} from './types.ts'

const net = createNet()
export default net

export const {
  connect,
  createConnection,
  createServer,
  Stream,
  BlockList,
  BoundSocket,
  SocketAddress,
  isIP,
  isIPv4,
  isIPv6,
  getDefaultAutoSelectFamily,
  setDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} = net
