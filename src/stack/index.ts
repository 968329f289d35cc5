export { CloseReason, State, type TcpInfo } from '../tcp/index.ts'
export type { ErrorCode } from '../tunnel/index.ts'
export { type Clock, LoopClock } from './clock.ts'
export { defaultStack, optionsFromEnvironment } from './default-stack.ts'
export { Endpoint, type EndpointOwner } from './endpoint.ts'
export {
  Listener,
  type ListenerInfo,
  type ListenerOwner,
  type ListenOptions,
  type ListenTcpOptions,
} from './listener.ts'
export { type MibGroup, mibGroups } from './mib.ts'
export { newSysctl } from './new-sysctl.ts'
export type { ConnectRequest, StackOptions } from './options.ts'
export { CryptoRandom, type Random, SeededRandom } from './random.ts'
export type { SocketRecord } from './sockets.ts'
export { Stack, type StackEvents } from './stack.ts'
export { parseSysctlFile, Sysctl, SysctlError, sysctlKey, sysctlNames, sysctlRange } from './sysctl.ts'
export { sysctlTable } from './sysctl-table.ts'
