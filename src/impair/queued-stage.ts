import type { Frame } from './frame.ts'
import { formatQueue, PacketQueue, type QueueConfig } from './queue.ts'
import { Stage, type StageEnvironment } from './stage.ts'

/** A link that sends one frame after the other, behind a queue; how long each takes is up to the stage. */
export abstract class QueuedStage<
  Config extends { readonly queue: QueueConfig; readonly ecn: boolean },
> extends Stage<Config> {
  protected readonly queue: PacketQueue
  protected sending: Frame | null = null

  constructor(environment: StageEnvironment) {
    super(environment)
    this.queue = new PacketQueue(
      (frame, rule, nowUs) => this.#overflow(frame, rule, nowUs),
      (frame) => {
        if (!frame.marked) this.counters.marked++
        frame.marked = true
      },
    )
  }

  override configure(config: Config | null): void {
    super.configure(config)
    if (config === null) return
    this.queue.config = config.queue
    this.queue.ecn = config.ecn
  }

  override get idle(): boolean {
    return this.config === null && this.sending === null
  }

  /** There is no room in the queue. */
  protected refuse(frame: Frame, nowUs: number): void {
    this.#overflow(frame, `queue=${formatQueue(this.queue.config)}`, nowUs)
  }

  #overflow(frame: Frame, rule: string, nowUs: number): void {
    this.counters.overflowed++
    this.drop(frame, rule, nowUs)
  }
}
