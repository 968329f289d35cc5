import assert from 'node:assert/strict'
import nodeNet from 'node:net'
import { BSON, MongoClient } from 'mongodb'
import { socksFront } from '../fronts.js'
import { big, sameBytes } from '../kit.js'

export const packageName = 'mongodb'
export const inject = '`proxyHost`, `proxyPort`: a SOCKS5 proxy that goes on by sluice'
export const note = 'Debian has no server: it speaks with one of a few lines.'
export const front = true

export default async function (t) {
  const documents = []
  const commands = {
    hello: () => ({
      isWritablePrimary: true,
      maxBsonObjectSize: 16 << 20,
      maxMessageSizeBytes: 48 << 20,
      minWireVersion: 0,
      maxWireVersion: 21,
    }),
    insert: ({ documents: some }) => ({ n: documents.push(...some) }),
    find: ({ filter }) => ({
      cursor: {
        id: 0n,
        ns: 'test.some',
        firstBatch: documents.filter(({ n }) => filter.n === undefined || filter.n === n),
      },
    }),
    ping: () => ({}),
    endSessions: () => ({}),
  }
  const serve = (socket) => {
    let data = Buffer.alloc(0)
    socket
      .on('error', () => {})
      .on('data', (piece) => {
        data = Buffer.concat([data, piece])
        while (data.length >= 4 && data.length >= data.readInt32LE(0)) {
          const length = data.readInt32LE(0)
          socket.write(answer(data.subarray(0, length), commands))
          data = data.subarray(length)
        }
      })
  }
  const server = t.injected ? {} : nodeNet.createServer(serve)
  const port = await t.listen(server, serve)
  const proxy = t.injected ? await socksFront(t.connect) : undefined
  const client = new MongoClient(`mongodb://127.0.0.1:${port}`, {
    directConnection: true,
    serverMonitoringMode: 'poll',
    ...(proxy && { proxyHost: '127.0.0.1', proxyPort: proxy.port }),
  })
  const some = client.db('test').collection('some')
  await some.insertOne({ n: 0, body: big })
  await some.insertMany(Array.from({ length: 100 }, (_, n) => ({ n: n + 1 })))
  const { body } = await some.findOne({ n: 0 })
  sameBytes(body.buffer)
  assert.equal((await some.find({}).toArray()).length, 101)
  const found = await Promise.all(Array.from({ length: 20 }, (_, n) => some.findOne({ n: n + 1 })))
  assert.deepEqual(
    found.map(({ n }) => n),
    Array.from({ length: 20 }, (_, n) => n + 1),
  )
  await assert.rejects(client.db('test').command({ unheard: 1 }), { code: 59 })
  await client.close()
  proxy?.close()
  await t.close(server)
}

/** OP_MSG, and the OP_QUERY that a client begins with: header, flags, a document; here they are answered in kind. */
function answer(message, commands) {
  const [id, operation] = [message.readInt32LE(4), message.readInt32LE(12)]
  const isQuery = operation === 2004
  const start = isQuery ? message.indexOf(0, 20) + 9 : 21
  const command = BSON.deserialize(message.subarray(start, start + message.readInt32LE(start)), {
    promoteBuffers: false,
  })
  if (!isQuery) sections(message, start + message.readInt32LE(start), command)
  const [name] = Object.keys(command)
  const run = commands[name === 'ismaster' || name === 'isMaster' ? 'hello' : name]
  const body = BSON.serialize(
    run ? { ...run(command), ok: 1 } : { ok: 0, code: 59, errmsg: `no such command: ${name}` },
  )
  // OP_REPLY: flags, cursor, starting from, number of documents. OP_MSG: flags, kind of section.
  const head = Buffer.alloc(isQuery ? 36 : 21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(id, 8)
  head.writeInt32LE(isQuery ? 1 : 2013, 12)
  if (isQuery) head.writeInt32LE(1, 32)
  return Buffer.concat([head, body])
}

/** Sections of kind 1 hold documents of their own under a name. */
function sections(message, at, command) {
  while (at < message.length) {
    const end = at + 1 + message.readInt32LE(at + 1)
    const nameEnd = message.indexOf(0, at + 5)
    const list = []
    for (let from = nameEnd + 1; from < end; from += message.readInt32LE(from)) {
      list.push(BSON.deserialize(message.subarray(from, from + message.readInt32LE(from))))
    }
    command[message.toString('utf8', at + 5, nameEnd)] = list
    at = end
  }
}
