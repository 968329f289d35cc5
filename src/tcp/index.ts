export { Connection, type ConnectionOptions } from './connection.ts'
export { FastOpen } from './fast-open.ts'
export type { SegmentSink, TcpHost, TcpMib, TcpSysctl } from './host.ts'
export type { TcpInfo } from './info.ts'
export { isFromPeer, pathChanged } from './path-change.ts'
export { resetFor } from './reset.ts'
export { softErrorCode } from './soft-errors.ts'
export { CaState, CloseReason, Event, isSynchronized, State, stateName } from './state.ts'
export {
  agree,
  fillSynAck,
  fillSynRecvAck,
  type SynOptions,
  type SynPolicy,
  type SynRecord,
  SynVerdict,
  synRecvArrives,
  synWindow,
} from './syn-recv.ts'
export {
  type TimeWaitAnswer,
  type TimeWaitRecord,
  TimeWaitVerdict,
  timeWaitAck,
  timeWaitArrives,
  timeWaitRecord,
} from './time-wait.ts'
export { retriesTimeUs } from './timeout.ts'
export { windowShift } from './window.ts'
