import type { ImpairReportEntry } from './report.ts'
import {
  IMPAIR_FIELDS,
  type ImpairFields,
  Impairment,
  type ImpairOptions,
  type ImpairSpec,
  impairEntries,
  impairSeed,
} from './spec.ts'

/** What a control acts on. */
export interface ImpairTarget extends ImpairOptions {
  /** Of the decisions, where the spec names none. */
  readonly seed: number
  /** Called with what is to happen from now on; null: nothing. */
  set(impairment: Impairment | null): void
  report(): ImpairReportEntry[]
}

/**
 * The impairment of a running stack: `stack.impair`. Every member of a spec can be read and set (`stack.impair.loss = '5%'`):
 * a member that is set goes into the rule without `to`. Setting throws what a wrong spec throws, and then nothing has changed.
 */
class Control {
  readonly #target: ImpairTarget
  #entries: readonly ImpairFields[] = []

  constructor(target: ImpairTarget, spec: ImpairSpec | null | undefined) {
    this.#target = target
    this.#entries = impairEntries(spec).map((entry) => ({ ...entry }))
  }

  /** Replaces everything; null: nothing is impaired any more. */
  assign(spec: ImpairSpec | Control | null | undefined): void {
    const entries = spec instanceof Control ? spec.#entries : impairEntries(spec)
    this.#target.set(Impairment.parse(entries, this.#target))
    this.#entries = entries.map((entry) => ({ ...entry }))
  }

  /** The rules as they were given, copied: what `stack.impair = …` takes to restore them. */
  get spec(): ImpairFields[] {
    return this.#entries.map((entry) => ({ ...entry }))
  }

  /** Anything is done to anything. */
  get isOn(): boolean {
    return Impairment.parse(this.#entries, this.#target) !== null
  }

  /** Of all decisions: what was given, or else the stack's own. Another one begins all of them anew. */
  get seed(): number {
    return impairSeed(this.#entries) ?? this.#target.seed
  }

  set seed(seed: number) {
    const entries = this.#entries.length === 0 ? [{ seed }] : this.#entries.map((entry) => ({ ...entry, seed }))
    this.assign(entries)
  }

  /** What was done so far, for each rule, destination and direction. */
  report(): ImpairReportEntry[] {
    return this.#target.report()
  }

  /** The text form, as `SLUICE_IMPAIR` takes it. */
  toString(): string {
    return String(Impairment.parse(this.#entries, this.#target) ?? '')
  }

  toJSON(): ImpairFields[] {
    return this.spec
  }

  /** Member of the rule that is for all destinations. */
  #read(name: keyof ImpairFields): unknown {
    return this.#entries.find(({ to }) => to === undefined)?.[name]
  }

  #write(name: keyof ImpairFields, value: unknown): void {
    const at = this.#entries.findIndex(({ to }) => to === undefined)
    const entries = [...this.#entries]
    const entry: Record<string, unknown> = { ...entries[at], [name]: value }
    if (value === undefined || value === null) delete entry[name]
    // Behind the rules for single destinations: the first that fits counts.
    if (at < 0) entries.push(entry)
    else entries[at] = entry
    this.assign(entries)
  }

  static {
    for (const name of IMPAIR_FIELDS as readonly (keyof ImpairFields)[]) {
      if (name === 'seed' || name === 'to') continue
      Object.defineProperty(Control.prototype, name, {
        configurable: true,
        enumerable: true,
        get(this: Control): unknown {
          return this.#read(name)
        },
        set(this: Control, value: unknown): void {
          this.#write(name, value)
        },
      })
    }
  }
}

/** With every member by its name. */
export type ImpairControl = Control & Omit<ImpairFields, 'seed' | 'to'>
export const ImpairControl = Control as new (target: ImpairTarget, spec: ImpairSpec | null | undefined) => ImpairControl
