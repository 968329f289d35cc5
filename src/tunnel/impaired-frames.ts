import { FrameKind, FrameResult, FrameView, nextFrame, SHIM_LENGTH, segmentKind, writeShim } from '../wire/frame.ts'
import { type Batch, LARGEST_BATCH } from './batch.ts'
import type { EcnEmit, PathImpairment } from './impairment.ts'
import type { UdpPath } from './path.ts'

const view = new FrameView()

/**
 * Takes the segments of one path through its impairment: cuts what was committed into them, and gathers those that come out into datagrams; hands
 * over those that arrive.
 */
export class ImpairedFrames {
  readonly #path: UdpPath
  readonly #impairment: PathImpairment
  readonly #shim: number
  /** What came out and was not sent yet. */
  #out: Batch | null = null

  constructor(path: UdpPath, impairment: PathImpairment) {
    this.#path = path
    this.#impairment = impairment
    this.#shim = path.framed ? SHIM_LENGTH : 0
  }

  /** Sends each segment of a batch into the pipeline, and what comes out at once on its way. The batch stays the caller's. */
  send(batch: Batch, nowUs: number): void {
    const { buffer, count, ends, used } = batch
    if (this.#shim === 0) {
      for (let i = 0; i < count; i++) this.#push(buffer, batch.startOf(i), ends[i], nowUs, false)
    } else {
      for (let at = 0; nextFrame(buffer, at, used, view) === FrameResult.Frame; at = view.next) {
        // Probes are not traffic: they pass.
        if (view.kind !== FrameKind.Segment) this.#appendFrame(buffer, at, view.next)
        else this.#push(buffer, view.start, view.end, nowUs, view.ect)
      }
    }
    this.#sendOut(nowUs)
  }

  /** A segment came: borrowed until return. */
  arrived(buffer: Buffer, start: number, end: number, nowUs: number, ect: boolean, marked: boolean): void {
    this.#impairment.pushIn(buffer, start, end, nowUs, this.#deliver, ect, marked)
    this.#noteDelay()
  }

  /** What was held until now goes on. */
  release(nowUs: number): void {
    this.releaseOut(nowUs, nowUs)
    this.#impairment.releaseIn(nowUs, this.#deliver)
  }

  /** Sends what was held until `untilUs`. */
  releaseOut(untilUs: number, nowUs: number): void {
    this.#impairment.releaseOut(untilUs, this.#append)
    this.#sendOut(nowUs)
  }

  close(): void {
    if (this.#out !== null) this.#path.host.pool.put(this.#out)
    this.#out = null
  }

  readonly #deliver: EcnEmit = (buffer, start, end, _ect, marked) => {
    const { host, user } = this.#path
    const nowUs = host.owner.nowUs()
    host.owner.tracer?.frameReceived?.(nowUs, this.#path, buffer, start, end)
    user.segmentArrives(buffer, start, end, nowUs, marked)
  }

  #push(buffer: Buffer, start: number, end: number, nowUs: number, ect: boolean): void {
    const path = this.#path
    const dropped = this.#impairment.droppedOut
    this.#impairment.pushOut(buffer, start, end, nowUs, this.#append, ect)
    if (this.#impairment.droppedOut === dropped) path.host.owner.tracer?.frameSent?.(nowUs, path, buffer, start, end)
  }

  readonly #append: EcnEmit = (buffer, start, end, ect, marked) => {
    if (this.#path.closed) return
    const size = end - start
    const batch = this.#room(size + this.#shim)
    const at = batch.used + this.#shim
    if (this.#shim !== 0) writeShim(batch.buffer, batch.used, segmentKind(ect === true, marked), size)
    buffer.copy(batch.buffer, at, start, end)
    batch.append(at + size, this.#path.packable)
  }

  #appendFrame(buffer: Buffer, start: number, end: number): void {
    const batch = this.#room(end - start)
    buffer.copy(batch.buffer, batch.used, start, end)
    batch.append(batch.used + end - start, this.#path.packable)
  }

  /** The batch that is being gathered, with room for a frame of `size` bytes. */
  #room(size: number): Batch {
    const { host } = this.#path
    let batch = host.pool.room(this.#path, this.#out, size)
    if (batch === null) {
      this.#path.send(this.#out!, host.owner.nowUs())
      batch = host.pool.take(this.#path, LARGEST_BATCH)
    }
    this.#out = batch
    return batch
  }

  #sendOut(nowUs: number): void {
    const batch = this.#out
    this.#out = null
    if (batch !== null) this.#path.send(batch, nowUs)
    this.#noteDelay()
  }

  #noteDelay(): void {
    const path = this.#path
    if (path.impairment !== null && path.impairment.deadline !== Infinity) path.host.pathDelayed(path)
  }
}
