export {
  type DirectionFields,
  type DropPredicate,
  IMPAIR_FIELDS,
  type ImpairControl,
  type ImpairCounters,
  type ImpairFields,
  Impairment,
  type ImpairReportEntry,
  type ImpairSpec,
  PROFILES,
  type SegmentView,
} from '../impair/index.ts'
export { CloseReason, type TcpInfo } from '../tcp/index.ts'
export { canSharePorts, type ErrorCode } from '../tunnel/index.ts'
export { above } from './above.ts'
export type { Clock } from './clock.ts'
export { type ControlRequest, controlDirectory, controlPath, type StackRecord } from './control.ts'
export { defaultStack, optionsFromEnvironment } from './default-stack.ts'
export { Endpoint, type EndpointOwner } from './endpoint.ts'
export { callAtExit } from './exit.ts'
export { readImpairFile } from './impairing.ts'
export {
  Listener,
  type ListenerInfo,
  type ListenerOwner,
  type ListenOptions,
  type ListenTcpOptions,
} from './listener.ts'
export { type MibGroup, mibGroups } from './mib.ts'
export { newSysctl } from './new-sysctl.ts'
export type { ConnectRequest, Lookup, StackOptions, StackTimers } from './options.ts'
export { type Random, SeededRandom } from './random.ts'
export type { SocketRecord, SocketTimer } from './sockets.ts'
export { Stack, type StackEvents } from './stack.ts'
export { parseSysctlFile, Sysctl, SysctlError, sysctlKey, sysctlNames, sysctlRange } from './sysctl.ts'
export { sysctlTable } from './sysctl-table.ts'
