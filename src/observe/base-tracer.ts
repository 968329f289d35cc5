import type { Segment } from '../wire/index.ts'
import type { Ends, FrameVerdict, Tracer } from './tracer.ts'

/** A tracer that hears everything and does nothing: for those that want to hear of little. */
export class BaseTracer implements Required<Tracer> {
  segmentSent(_id: number, _now: number, _segment: Segment, _retransmission: boolean): void {}
  segmentReceived(_id: number, _now: number, _segment: Segment): void {}
  stateChanged(_id: number, _now: number, _from: number, _to: number): void {}
  caStateChanged(_id: number, _now: number, _from: number, _to: number, _reason: string): void {}
  cwndChanged(_id: number, _now: number, _cwnd: number, _ssthresh: number, _reason: string): void {}
  timerFired(_id: number, _now: number, _timer: string): void {}
  ccStateChanged(_id: number, _now: number, _from: string, _to: string, _name: string): void {}
  softError(_id: number, _now: number, _reason: number): void {}
  urgentData(_id: number, _now: number, _bytes: number): void {}
  pathEvent(_id: number, _now: number, _what: string, _ends: Ends, _reason: string): void {}
  frameSent(_now: number, _ends: Ends, _buffer: Buffer, _start: number, _end: number): void {}
  frameReceived(_now: number, _ends: Ends, _buffer: Buffer, _start: number, _end: number): void {}
  frameDropped(
    _now: number,
    _ends: Ends,
    _outgoing: boolean,
    _buffer: Buffer,
    _start: number,
    _end: number,
    _rule: string,
    _seed: number,
  ): void {}
  frameImpaired(
    _now: number,
    _ends: Ends,
    _outgoing: boolean,
    _buffer: Buffer,
    _start: number,
    _end: number,
    _verdict: FrameVerdict,
    _seed: number,
  ): void {}
}
