// ours: "between two ends in one process once, at the sender". An impaired path is noted where every tunnel of the process finds
// it, whichever copy of this module it came from; what comes by such a path was impaired when it was sent. Simulated networks
// have addresses of their own: a table for each dgram module.
type Registry = WeakMap<object, Map<string, number>>
const REGISTRY = Symbol.for('sluice.impairedFlows')

/** The flows, from one address to another, that tunnels of this process impair when they send. */
export class ImpairedFlows {
  readonly #all: Map<string, number>
  readonly #own = new Set<string>()

  constructor(dgram: object) {
    const globals = globalThis as { [REGISTRY]?: Registry }
    globals[REGISTRY] ??= new WeakMap()
    const all = globals[REGISTRY].get(dgram) ?? new Map<string, number>()
    globals[REGISTRY].set(dgram, all)
    this.#all = all
  }

  add(flow: string): void {
    if (this.#own.has(flow)) return
    this.#own.add(flow)
    this.#all.set(flow, (this.#all.get(flow) ?? 0) + 1)
  }

  remove(flow: string): void {
    if (!this.#own.delete(flow)) return
    const left = (this.#all.get(flow) ?? 1) - 1
    if (left > 0) this.#all.set(flow, left)
    else this.#all.delete(flow)
  }

  has(flow: string): boolean {
    return this.#all.has(flow)
  }
}
