export { type AddressFamily, addressBytes, formatAddress, formatEnd } from './address.ts'
export { BaseTracer } from './base-tracer.ts'
export { type Capture, type CaptureOptions, CaptureTracer, dropComment } from './capture.ts'
export { captureOutput, type WritableLike } from './capture-output.ts'
export { type CapturedPacket, CaptureError, CaptureStream, readCapture } from './capture-reader.ts'
export { DecisionTracer } from './decisions.ts'
export { EventTracer, type TraceEvent, type TraceListener } from './events.ts'
export { type PacketSegment, segmentsOf } from './packet-segments.ts'
export {
  type CapturedSegment,
  type CaptureOutput,
  DROPPED,
  PASSED,
  type PcapngOptions,
  PcapngWriter,
} from './pcapng.ts'
export { tee } from './tee.ts'
