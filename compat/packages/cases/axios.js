import assert from 'node:assert/strict'
import http from 'node:http'
import axios from 'axios'
import { big, sameBytes } from '../kit.js'

export const packageName = 'axios'
export const inject = '`httpAgent`; the server is nginx'

export default async function (t) {
  const { port } = await t.server('nginx')
  const httpAgent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  if (t.injected) httpAgent.createConnection = t.connect
  const client = axios.create({ baseURL: `http://127.0.0.1:${port}`, httpAgent, proxy: false, maxRedirects: 0 })
  const file = `/axios-${t.injected ? 'inject' : 'swap'}.bin`
  let uploaded = 0
  const put = await client.put(file, big, {
    onUploadProgress: ({ loaded }) => {
      uploaded = loaded
    },
  })
  assert.equal(put.status, 201)
  assert.equal(uploaded, big.length)
  const all = await client.get(file, { responseType: 'arraybuffer' })
  sameBytes(all.data)
  const parts = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((n) =>
      client.get(file, { responseType: 'arraybuffer', headers: { range: `bytes=${n * 1000}-${n * 1000 + 999}` } }),
    ),
  )
  assert.deepEqual(
    parts.map(({ status }) => status),
    Array(6).fill(206),
  )
  sameBytes(Buffer.concat(parts.map(({ data }) => Buffer.from(data))), big.subarray(0, 6000))
  await assert.rejects(client.get('/nowhere'), { code: 'ERR_BAD_REQUEST' })

  const aborted = new AbortController()
  const streamed = await client.get(file, { responseType: 'stream', signal: aborted.signal })
  const read = streamed.data.toArray()
  aborted.abort()
  await assert.rejects(read, { code: 'ERR_CANCELED' })
  assert.equal((await client.delete(file)).status, 204)
  httpAgent.destroy()
}
