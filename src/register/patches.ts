import { syncBuiltinESMExports } from 'node:module'

/** What was changed on Node's own objects, to be put back as it was. */
export class Patches {
  readonly #undo: (() => void)[] = []

  /** Puts `value` in the place of a property, which may not be there yet; all else about the property stays. */
  replace<Target extends object>(target: Target, key: keyof Target & string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, key)
    // An inherited property is as visible as its ancestor's; a new one is nobody's business.
    const base = before ?? { writable: true, configurable: true, enumerable: false }
    const { get: _get, set: _set, ...how } = base
    Object.defineProperty(target, key, { ...how, value })
    this.#undo.push(() => {
      // Whoever patched it after us has it; what they call in turn knows that we are gone.
      if (Object.getOwnPropertyDescriptor(target, key)?.value !== value) return
      if (before === undefined) delete target[key]
      else Object.defineProperty(target, key, before)
    })
  }

  /** Something else that is to be undone. */
  add(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** Named imports of built-in modules see what was put in place, and what is put back. */
  publish(): void {
    syncBuiltinESMExports()
  }

  undo(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
    syncBuiltinESMExports()
  }
}
