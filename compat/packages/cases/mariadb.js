import assert from 'node:assert/strict'
import mariadb from 'mariadb'
import { big, sameBytes } from '../kit.js'

export const packageName = 'mariadb'
export const inject = '`stream`: a function that gives a socket'

export default async function (t) {
  const { port, user } = await t.server('mariadb')
  const target = { host: '127.0.0.1', port }
  const stream = (callback) => callback(null, t.connect(target))
  const options = { ...target, user, ...(t.injected && { stream }) }
  const connection = await mariadb.createConnection(options)
  const [{ body }] = await connection.query('select ? as body', [big])
  sameBytes(body)
  // Many commands sent before the first is answered.
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => connection.query('select ? as n', [n])))
  assert.deepEqual(
    answers.map(([{ n }]) => Number(n)),
    [...Array(100).keys()],
  )
  await assert.rejects(connection.query('select * from nowhere.nothing'), { errno: 1146 })
  await connection.ping()
  await connection.end()

  const pool = mariadb.createPool({ ...options, connectionLimit: 2 })
  const pooled = await Promise.all(Array.from({ length: 10 }, () => pool.query('select connection_id() as id')))
  assert.ok(new Set(pooled.map(([{ id }]) => id)).size <= 2)
  await pool.end()
}
