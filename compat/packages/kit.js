// What the cases share. Plain JavaScript: a case is a program as its users have it, and packages bring types or not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'

/** A body of some MB, other bytes in every run. */
export const big = randomBytes(3 << 20)

/** Fails with a short message, where comparing buffers by assert would print megabytes. */
export function sameBytes(got, wanted = big) {
  assert.equal(got.length, wanted.length, 'length of the body')
  assert.ok(Buffer.from(got).equals(wanted), 'the body arrived changed')
}

export async function readAll(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** One request of http or https, or of anything with their `request`. */
export function request(lib, options, body) {
  return new Promise((resolve, reject) => {
    const sent = lib.request(options, async (response) => {
      const { statusCode: status, headers } = response
      resolve({ status, headers, socket: response.socket, reused: sent.reusedSocket, body: await readAll(response) })
    })
    sent.on('error', reject).end(body)
  })
}

/** A handler for servers of http: gives the body back. */
export const echo = (request, response) => {
  response.setHeader('x-from', String(request.socket.remotePort))
  request.pipe(response)
}
