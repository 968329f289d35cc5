import assert from 'node:assert/strict'
import mysql from 'mysql2/promise'
import { big, sameBytes } from '../kit.js'

export const packageName = 'mysql2'
export const inject = '`stream`: a function that gives a socket'

export default async function (t) {
  const { port, user } = await t.server('mariadb')
  const target = { host: '127.0.0.1', port }
  const options = { ...target, user, ...(t.injected && { stream: () => t.connect(target) }) }
  const connection = await mysql.createConnection(options)
  const [[{ sum }]] = await connection.query('select ? + 1 as sum', [41])
  assert.equal(Number(sum), 42)
  const [[{ body }]] = await connection.execute('select ? as body', [big])
  sameBytes(body)
  await assert.rejects(connection.query('select nonsense from nowhere'), { code: 'ER_NO_DB_ERROR' })
  const [rows] = await connection.query('select seq from mysql.user, (select 1 as seq) as one limit 1')
  assert.equal(rows.length, 1)
  await connection.ping()
  await connection.end()

  const pool = mysql.createPool({ ...options, connectionLimit: 3 })
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => pool.execute('select ? as n', [n])))
  assert.deepEqual(
    answers.map(([[{ n }]]) => Number(n)),
    [...Array(20).keys()],
  )
  await pool.end()

  // With TLS from within the connection.
  const { cert } = await t.certificate()
  const secure = await mysql.createConnection({ ...options, ssl: { ca: cert, verifyIdentity: false } })
  const [[{ Value }]] = await secure.query("show status like 'Ssl_cipher'")
  assert.notEqual(Value, '')
  await secure.end()
}
