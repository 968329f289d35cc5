import type { Plugin } from 'rolldown'

/**
 * Chunks that others load when they first need something of them, not when they are loaded themselves: `{ stack: ['net'] }` for what `net`
 * takes from `stack`. Whoever names something of a late chunk at its top level loads it all the same. CommonJS only.
 */
export function lazyChunks(late: Record<string, readonly string[]>): Plugin {
  const missing = new Set(Object.entries(late).flatMap(([chunk, users]) => users.map((user) => `${chunk} in ${user}`)))
  return {
    name: 'lazy-chunks',
    renderChunk(code, { name }) {
      let result = code
      for (const [chunk, users] of Object.entries(late)) {
        const load = new RegExp(`^const require_${chunk} = (require\\(".*"\\));$`, 'm')
        if (!users.includes(name) || !load.test(result)) continue
        missing.delete(`${chunk} in ${name}`)
        result = result
          .replace(
            load,
            `let loaded_${chunk};\nconst late_${chunk} = { get chunk() { return loaded_${chunk} ??= $1; } };`,
          )
          .replaceAll(`require_${chunk}.`, `late_${chunk}.chunk.`)
      }
      return result
    },
    generateBundle() {
      if (missing.size > 0) throw new Error(`nothing to load late: ${[...missing].join(', ')}`)
    },
  }
}
