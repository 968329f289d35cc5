import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const HERE = dirname(fileURLToPath(import.meta.url))
const COMPILED = join(HERE, 'compiled')

const made = new Map<string, Promise<string>>()

/**
 * `peer.ts` of a folder here as JavaScript, made once in a process. What makes JavaScript of TypeScript as it is loaded stays in memory and keeps a
 * thread of its own, and a transport that is written in JavaScript would pay for that: a third of its throughput.
 */
export function compiledPeer(folder: string): Promise<string> {
  const path = made.get(folder) ?? compile(folder)
  made.set(folder, path)
  return path
}

async function compile(folder: string): Promise<string> {
  const dir = join(COMPILED, folder)
  const bundle = await rolldown({
    cwd: HERE,
    input: { peer: join(HERE, folder, 'peer.ts') },
    platform: 'node',
    // Packages stay where they are, sluice as it is published included.
    external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[a-zA-Z]:/.test(id),
  })
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
  await bundle.close()
  return join(dir, 'peer.mjs')
}
