// The package entry: `net`, and what sluice has beyond it.
import type * as nodeNet from 'node:net'
import stackNet, {
  type ListenOptions as Listen,
  type Net,
  type ServerConstructor,
  type SocketConstructor,
} from './net/index.ts'
import { Stack } from './stack/index.ts'

export { registerCongestionControl } from './congestion/index.ts'
export {
  createGateway,
  type Gateway,
  type GatewayAddress,
  type GatewayCounters,
  type GatewayOptions,
} from './gateway/index.ts'

// What `net` has: its names, and the types that go by the same names or that Node's own declarations have.
export const {
  BlockList,
  BoundSocket,
  connect,
  createConnection,
  createServer,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  Server,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  Socket,
  SocketAddress,
  Stream,
} = stackNet
export type BlockList = InstanceType<Net['BlockList']>
export type BoundSocket = InstanceType<Net['BoundSocket']>
export type Server = InstanceType<ServerConstructor>
export type Socket = InstanceType<SocketConstructor>
export type SocketAddress = nodeNet.SocketAddress
export type Stream = Socket
export type {
  AddressInfo,
  ConnectOpts,
  DropArgument,
  IPVersion,
  IpcNetConnectOpts,
  IpcSocketConnectOpts,
  LookupFunction,
  NetConnectOpts,
  OnReadOpts,
  ServerOpts,
  SocketAddressInitOptions,
  SocketConnectOpts,
  SocketConstructorOpts,
  SocketReadyState,
  TcpNetConnectOpts,
  TcpSocketConnectOpts,
} from 'node:net'

// What is ours.
export type {
  CongestionController,
  ControllerEnvironment,
  ControllerFactory,
  RateSample,
} from './congestion/index.ts'
export type {
  ConnectFunction,
  ConnectOptions,
  CreateServerFunction,
  ListenOptions,
  Net,
  NetConnectOptions,
  ServerConstructor,
  ServerOptions,
  SocketConstructor,
  SocketOptions,
  SocketTcp,
  TcpConnectOptions,
  TcpOptions,
} from './net/index.ts'
export type {
  Clock,
  DropPredicate,
  ImpairControl,
  ImpairCounters,
  ImpairFields,
  ImpairReportEntry,
  ImpairSpec,
  Random,
  SegmentView,
  SocketRecord,
  StackEvents,
  StackOptions,
  TcpInfo,
} from './stack/index.ts'
export { Stack }

const net: Net = stackNet
/** Types only, so that `net.Socket` names one as it does with `import net from 'node:net'`. */
declare namespace net {
  export type AddressInfo = nodeNet.AddressInfo
  export type BlockList = InstanceType<Net['BlockList']>
  export type ConnectOpts = nodeNet.ConnectOpts
  export type DropArgument = nodeNet.DropArgument
  export type IpcNetConnectOpts = nodeNet.IpcNetConnectOpts
  export type IpcSocketConnectOpts = nodeNet.IpcSocketConnectOpts
  export type IPVersion = nodeNet.IPVersion
  export type ListenOptions = Listen
  export type LookupFunction = nodeNet.LookupFunction
  export type NetConnectOpts = nodeNet.NetConnectOpts
  export type OnReadOpts = nodeNet.OnReadOpts
  export type Server = InstanceType<ServerConstructor>
  export type ServerOpts = nodeNet.ServerOpts
  export type Socket = InstanceType<SocketConstructor>
  export type SocketAddress = nodeNet.SocketAddress
  export type SocketAddressInitOptions = nodeNet.SocketAddressInitOptions
  export type SocketConnectOpts = nodeNet.SocketConnectOpts
  export type SocketConstructorOpts = nodeNet.SocketConstructorOpts
  export type SocketReadyState = nodeNet.SocketReadyState
  export type TcpNetConnectOpts = nodeNet.TcpNetConnectOpts
  export type TcpSocketConnectOpts = nodeNet.TcpSocketConnectOpts
}
export default net
