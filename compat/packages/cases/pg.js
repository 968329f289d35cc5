import assert from 'node:assert/strict'
import pg from 'pg'
import { big, sameBytes } from '../kit.js'

export const packageName = 'pg'
export const inject = '`stream`: an unconnected socket'

export default async function (t) {
  const { port, user } = await t.server('postgres')
  const options = {
    host: '127.0.0.1',
    port,
    user,
    database: 'postgres',
    ...(t.injected && { stream: () => new t.net.Socket() }),
  }
  const client = new pg.Client(options)
  await client.connect()
  const { rows } = await client.query('select $1::int + 1 as sum', [41])
  assert.deepEqual(rows, [{ sum: 42 }])
  const large = await client.query('select $1::bytea as body', [big])
  sameBytes(large.rows[0].body)
  const many = await client.query('select n from generate_series(1, 50000) as n')
  assert.equal(many.rowCount, 50_000)
  await assert.rejects(client.query('select 1 / 0'), { code: '22012' })
  await client.end()

  const { cert } = await t.certificate()
  const pool = new pg.Pool({ ...options, max: 4, ssl: { ca: cert, servername: 'localhost' } })
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      pool.query('select $1::int as n, ssl from pg_stat_ssl where pid = pg_backend_pid()', [n]),
    ),
  )
  assert.deepEqual(
    answers.map(({ rows: [row] }) => row),
    Array.from({ length: 12 }, (_, n) => ({ n, ssl: true })),
  )
  // LISTEN and NOTIFY: what the server sends by itself.
  const listener = await pool.connect()
  await listener.query('listen news')
  const heard = new Promise((resolve) => listener.once('notification', ({ payload }) => resolve(payload)))
  await pool.query("notify news, 'hello'")
  assert.equal(await heard, 'hello')
  listener.release()
  await pool.end()
}
