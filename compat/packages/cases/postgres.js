import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { big, sameBytes } from '../kit.js'

export const packageName = 'postgres'
export const inject = '`socket`: a connected one'

export const note =
  'By swap as CommonJS; its ES modules say `new net.Socket()`, which the swap reaches from Node 22.15 on.'

const postgres = createRequire(import.meta.url)('postgres')

export default async function (t) {
  const { port, user } = await t.server('postgres')
  const { cert } = await t.certificate()
  const options = {
    host: '127.0.0.1',
    port,
    user,
    database: 'postgres',
    max: 3,
    onnotice: () => {},
    ...(t.injected && { socket: () => t.connected(port) }),
  }
  const sql = postgres(options)
  const [{ sum }] = await sql`select ${20}::int + ${22}::int as sum`
  assert.equal(sum, 42)
  const [{ body }] = await sql`select ${big}::bytea as body`
  sameBytes(body)
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => sql`select ${n}::int as n`))
  assert.deepEqual(
    answers.map(([{ n }]) => n),
    [...Array(30).keys()],
  )
  await sql.begin(async (transaction) => {
    await transaction`create temporary table numbers (n int) on commit drop`
    await transaction`insert into numbers select generate_series(1, 20000)`
    let seen = 0
    for await (const rows of transaction`select n from numbers`.cursor(1000)) seen += rows.length
    assert.equal(seen, 20_000)
  })
  await assert.rejects(sql`select 1 / 0`, { code: '22012' })
  await sql.end()

  const secure = postgres({ ...options, max: 1, ssl: { ca: cert, servername: 'localhost' } })
  const [{ ssl }] = await secure`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
  assert.equal(ssl, true)
  await secure.end()
}
