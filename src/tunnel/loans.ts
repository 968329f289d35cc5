const NOTHING = Buffer.alloc(0)

/**
 * Payload that was not copied into a batch: who wrote the headers around it keeps it, unchanged, until the batch is sent off. What sends
 * gathers it from there; before anything else looks at the batch it is `settle`d.
 *
 *     batch    shim │ header │ … hole … │ shim │ header │ … hole …
 *                               ▲                          ▲
 *     lender   ─────────────────┴──────── bytes ───────────┴──────
 */
export class Loans {
  count = 0
  /** The first that is not sent yet. */
  first = 0
  /** Where each hole begins in the batch, how long it is, and where its bytes are. In the order of the batch. */
  readonly at: number[] = []
  readonly sizes: number[] = []
  readonly sources: Buffer[] = []
  readonly starts: number[] = []

  add(at: number, source: Buffer, start: number, size: number): void {
    const { count } = this
    this.at[count] = at
    this.sizes[count] = size
    this.sources[count] = source
    this.starts[count] = start
    this.count++
  }

  /** Copies what was not sent into its holes. */
  settle(buffer: Buffer): void {
    for (let i = this.first; i < this.count; i++) {
      const start = this.starts[i]
      this.sources[i].copy(buffer, this.at[i], start, start + this.sizes[i])
    }
    this.clear()
  }

  /** Keeps the arrays, and nothing of the lenders' alive. */
  clear(): void {
    for (let i = 0; i < this.count; i++) this.sources[i] = NOTHING
    this.count = 0
    this.first = 0
  }
}
