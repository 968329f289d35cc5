import diagnostics from 'node:diagnostics_channel'
import nodeModule, { isBuiltin } from 'node:module'
import type { Patches } from './patches.ts'

// What a program may never use of Node is not loaded for the sake of a patch: `tls` alone takes more memory than all of ours that stands ready,
// and reads the certificates of the system. It is patched when the program first gets hold of it.

type Patch = () => void

/** Node's own, past all hooks; it loads a module that nobody has loaded. */
export const getBuiltinModule: typeof process.getBuiltinModule = process.getBuiltinModule
const loaded = (process as { moduleLoadList?: string[] }).moduleLoadList

/** Until `import` can be hooked in this thread (Node 22.15 and 23.5), nothing would tell of a module that is loaded later. */
const canWait = Array.isArray(loaded) && 'registerHooks' in nodeModule

/** What is not loaded yet, and what to do then. */
const waiting = new Map<string, Patch>()

/** Whether a module of Node's is loaded, for whomever; true where nobody knows. */
export function isLoaded(name: string): boolean {
  return !Array.isArray(loaded) || loaded.includes(`NativeModule ${name}`)
}

/** Runs `patch` before the program gets hold of a module of Node's: at once if it may have done so already. */
export function whenLoaded(name: string, patch: Patch): void {
  if (canWait && !isLoaded(name)) waiting.set(name, patch)
  else patch()
}

/** Whether a patch still waits for that module. */
export function isAwaited(name: string): boolean {
  return waiting.has(name)
}

/** Loads a module of Node's that is waited for: it is about to be used in a way that nobody else tells of. */
export function loadNow(name: string): void {
  if (!waiting.has(name)) return
  getBuiltinModule(name)
  afterLoading(name)
}

/** The program has got a module of Node's, which may have loaded others. */
export function afterLoading(request: string): void {
  if (waiting.size === 0 || !isBuiltin(request)) return
  for (const [name, patch] of waiting) {
    if (!isLoaded(name)) continue
    waiting.delete(name)
    patch()
  }
}

/** The program is about to import a module of Node's. */
export function beforeImport(specifier: string): void {
  if (waiting.size === 0 || !isBuiltin(specifier)) return
  getBuiltinModule(specifier)
  afterLoading(specifier)
}

/** Sees to the ways to a module that are neither `require` nor `import`. */
export function watchBuiltins(patches: Patches): void {
  if (waiting.size === 0) return
  patches.replace(process, 'getBuiltinModule', (id: string) => {
    const module: object | undefined = getBuiltinModule(id)
    afterLoading(id)
    return module
  })
  // `fetch` has its own way to `tls`, and says when it is about to connect.
  const beforeConnect = (): void => {
    loadNow('tls')
    stop()
  }
  const stop = (): boolean => diagnostics.unsubscribe(CONNECTS, beforeConnect)
  diagnostics.subscribe(CONNECTS, beforeConnect)
  patches.add(() => {
    stop()
    waiting.clear()
  })
}

const CONNECTS = 'undici:client:beforeConnect'
