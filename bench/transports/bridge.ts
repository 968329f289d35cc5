import { Duplex } from 'node:stream'
import type { Connection } from './transport.ts'

/** A connection that is no stream of Node's, as one: what whoever wants http over it has to do. */
export function bridge(connecting: Promise<Connection>): Duplex {
  let connection: Connection | null = null
  const duplex = new Duplex({
    construct(callback) {
      connecting.then((opened) => {
        connection = opened
        opened.on('data', (chunk) => void duplex.push(chunk))
        opened.on('end', () => void duplex.push(null))
        opened.on('error', (error) => void duplex.destroy(error))
        callback()
      }, callback)
    },
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      // http writes nothing at times, and utp-native is stuck after that.
      if (chunk.length > 0 && connection?.write(chunk) === false) connection.once('drain', callback)
      else callback()
    },
    final(callback) {
      connection?.end()
      callback()
    },
    destroy(error, callback) {
      connection?.destroy()
      callback(error)
    },
  })
  return duplex
}
