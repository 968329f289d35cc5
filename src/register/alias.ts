import nodeModule from 'node:module'
import nodeNet from 'node:net'
import { afterLoading, beforeImport } from './builtins.ts'
import type { Patches } from './patches.ts'
import { registration } from './state.ts'

// `new net.Socket()` of a program is to be a socket of ours, though Node's own code must find its own class in `net`: it makes `process.stdout`
// and the pipes of child processes from it. So programs that ask for `net` get a view of it that differs in that one class.

type Socket = typeof nodeNet.Socket
type NetModule = typeof nodeNet

const NodeSocket = nodeNet.Socket

/** `net` as programs see it. What they assign to it is assigned to Node's own. */
const view: NetModule = new Proxy(nodeNet, {
  get(target, key) {
    const value = Reflect.get(target, key)
    const current = registration()
    return value === NodeSocket && current !== null ? (current.net.Socket as unknown as Socket) : value
  },
})

/**
 * A socket that went past sluice is a `net.Socket` too, as far as the program can tell. Classes made from it are told apart as ever.
 */
export function acceptNodes(socketClass: object): void {
  const isInstance = Function.prototype[Symbol.hasInstance]
  Object.defineProperty(socketClass, Symbol.hasInstance, {
    configurable: true,
    value(this: object, value: unknown): boolean {
      return isInstance.call(this, value) || (this === socketClass && value instanceof NodeSocket)
    },
  })
}

/** Where the generated module below finds the view. */
const KEY = 'sluice.register.net'

interface Loader {
  _load(request: string, parent: { filename?: string | null } | null | undefined, isMain: boolean): unknown
  registerHooks?(hooks: { resolve: Resolve }): { deregister(): void }
}

type Resolve = (
  specifier: string,
  context: { conditions: readonly string[]; parentURL?: string },
  next: (specifier: string) => unknown,
) => unknown

export function patchLoaders(patches: Patches): void {
  const loader = nodeModule as unknown as Loader
  const load = loader._load
  patches.replace(loader, '_load', function (this: unknown, request, parent, isMain) {
    const wanted = isNet(request) && registration() !== null && !isOwn(parent?.filename)
    if (wanted) return view
    const exports = load.call(this, request, parent, isMain)
    afterLoading(request)
    return exports
  } satisfies Loader['_load'])

  // Of `import`, from Node 22.15 and 23.5. Before, hooks need a thread of their own, which costs more than it gives: what `import` finds in
  // `net` is then Node's own class, while the functions are ours.
  const hooks = loader.registerHooks?.({
    resolve(specifier, context, next) {
      const wanted = isNet(specifier) && context.conditions.includes('import') && !isOwn(context.parentURL)
      if (wanted) return { url: viewModule(), format: 'module', shortCircuit: true }
      beforeImport(specifier)
      return next(specifier)
    },
  })
  if (hooks !== undefined) patches.add(() => hooks.deregister())
}

function isNet(request: string): boolean {
  return request === 'net' || request === 'node:net'
}

/** The folder that holds our own code, as a URL and as a path: this is one of its files, or in a folder of it, `lib` where it was built. */
const OWN_URL = import.meta.url.replace(/\/((lib|register)\/)?[^/]+$/, '/')
const OWN_PATH = decodeURIComponent(new URL(OWN_URL).pathname)

/** Our own code means Node's own. */
function isOwn(from: string | null | undefined): boolean {
  return typeof from === 'string' && (from.startsWith(OWN_URL) || from.replaceAll('\\', '/').includes(OWN_PATH))
}

let url: string | null = null

/** The view as a module. Its names are those of `net`; what they hold is looked up once, as with any module that is no built-in. */
function viewModule(): string {
  if (url === null) {
    Object.defineProperty(globalThis, Symbol.for(KEY), { value: view, configurable: true })
    const names = Object.keys(nodeNet).join(', ')
    const source = `const net = globalThis[Symbol.for('${KEY}')]\nexport default net\nexport const { ${names} } = net\n`
    url = `data:text/javascript,${encodeURIComponent(source)}`
  }
  return url
}
