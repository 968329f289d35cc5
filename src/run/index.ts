export { createSession, RUN_VARIABLE, type RunPlan, removeSession, sessionFiles } from './session.ts'
export { addTraffic, type DestinationTraffic, emptyTraffic, type ProcessReport, type UdpTraffic } from './traffic.ts'
