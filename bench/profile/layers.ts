// Self time of a CPU profile by layers: what the processor was at, not who had asked for it.

export interface CallFrame {
  functionName: string
  url: string
}

/** What `node --cpu-prof` writes, as far as it is used here. */
export interface CpuProfile {
  nodes: readonly { id: number; callFrame: CallFrame }[]
  /** Ids of nodes: what was seen, one look after the other. */
  samples: readonly number[]
  /** µs before each look. */
  timeDeltas: readonly number[]
}

export interface Share {
  name: string
  /** µs */
  self: number
}

/** The folder of src that a function belongs to; or who else it is of. */
export function layerOf({ functionName, url }: CallFrame): string {
  const inPackage = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (inPackage !== undefined) return `package ${inPackage}`
  const own = /\/src\/([^?]+)\.ts/.exec(url)?.[1]
  if (own !== undefined) return own.includes('/') ? own.slice(0, own.indexOf('/')) : 'index'
  if (url.includes('/bench/')) return '(bench)'
  if (url.startsWith('node:'))
    return `Node ${
      url
        .slice(5)
        .replace(/^internal\//, '')
        .split('/')[0]
    }`
  // The engine names itself in brackets: (garbage collector), (idle), (program), which is native code.
  return functionName.startsWith('(') ? functionName : '(native)'
}

export function functionOf({ functionName, url }: CallFrame): string {
  const where = /\/src\/([^?]+)/.exec(url)?.[1]
  const name = functionName || '(anonymous)'
  return where === undefined ? name : `${name} (${where})`
}

/** Sums by what `nameOf` calls a function, the largest first; what was idle is left out. */
export function sharesOf(profile: CpuProfile, nameOf: (frame: CallFrame) => string): Share[] {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const sums = new Map<string, number>()
  profile.samples.forEach((id, i) => {
    const name = names.get(id) ?? '(unknown)'
    // The interval before the next look belongs to what this one saw.
    sums.set(name, (sums.get(name) ?? 0) + Math.max(0, profile.timeDeltas[i + 1] ?? 0))
  })
  return [...sums]
    .map(([name, self]) => ({ name, self }))
    .filter(({ name }) => name !== '(idle)')
    .sort((a, b) => b.self - a.self)
}
