// Fetches one file over HTTP, through whichever `net` is given. It is not kept: its digest says whether every byte came.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { Net } from '../../src/index.ts'

/** What `net` and `stack.net` have in common, as far as an HTTP request needs it. */
export type Connector = Pick<Net, 'connect'>

export interface FetchOptions {
  net: Connector
  port: number
  /** The file's name at the server. */
  name: string
  /** How many bytes have come so far. */
  onProgress(bytes: number): void
  /** Milliseconds after which it stops with what has come by then. */
  limitMs?: number
}

export interface Fetched {
  bytes: number
  sha256: string
  /** Milliseconds from the start of the connection to the last byte. */
  ms: number
}

export async function fetchFile({ net, port, name, onProgress, limitMs }: FetchOptions): Promise<Fetched> {
  const began = performance.now()
  // The one line that puts HTTP on sluice: the socket of the request is ours.
  const createConnection = (): ReturnType<Connector['connect']> => net.connect({ port, host: '127.0.0.1' })
  const signal = limitMs === undefined ? undefined : AbortSignal.timeout(Math.ceil(limitMs))
  const request = http.get({ path: `/${encodeURIComponent(name)}`, createConnection, signal })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the server answered ${response.statusCode}`)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
      onProgress(bytes)
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  }
  return { bytes, sha256: hash.digest('hex'), ms: performance.now() - began }
}
