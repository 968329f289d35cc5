import assert from 'node:assert/strict'
import nodemailer from 'nodemailer'
import { SMTPServer } from 'smtp-server'
import { big, readAll } from '../kit.js'

export const packageName = 'nodemailer'
export const inject = "`getSocket`; smtp-server's inner `server` gets sockets by `emit`"

export default async function (t) {
  const { key, cert } = await t.certificate()
  const mails = []
  const smtp = new SMTPServer({
    key,
    cert,
    onAuth: ({ username, password }, _session, done) =>
      done(password === 'secret' ? null : new Error('not you'), { user: username }),
    async onData(stream, session, done) {
      const text = String(await readAll(stream))
      mails.push({ from: session.envelope.mailFrom.address, user: session.user, secure: session.secure, text })
      done()
    },
  })
  const port = await t.listen(smtp.server)
  const getSocket = (_options, callback) =>
    t.connected(port).then((connection) => callback(null, { connection }), callback)
  const transport = (pass) =>
    nodemailer.createTransport({
      host: 'localhost',
      port,
      pool: true,
      maxConnections: 1,
      tls: { ca: cert },
      auth: { user: 'me', pass },
      ...(t.injected && { getSocket }),
    })

  // Both mails over one connection, upgraded to TLS by STARTTLS.
  const post = transport('secret')
  const mail = { from: 'me@a.test', to: ['you@b.test', 'all@b.test'], subject: 'Füße', text: 'hello' }
  await post.sendMail(mail)
  const attached = await post.sendMail({ ...mail, attachments: [{ filename: 'big.bin', content: big }] })
  assert.deepEqual(attached.accepted, mail.to)
  post.close()
  assert.deepEqual(
    mails.map(({ from, user, secure }) => ({ from, user, secure })),
    [
      { from: 'me@a.test', user: 'me', secure: true },
      { from: 'me@a.test', user: 'me', secure: true },
    ],
  )
  assert.ok(mails[1].text.replace(/\s/g, '').includes(big.toString('base64')), 'the attachment arrived changed')

  const wrong = transport('wrong')
  await assert.rejects(wrong.sendMail(mail), { code: 'EAUTH' })
  wrong.close()
  await new Promise((resolve) => smtp.close(resolve))
  if (t.injected) await t.close(smtp.server)
}
