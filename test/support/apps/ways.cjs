// One connection by TLS, to where nobody listens, in one of the ways to Node's tls (WAY). The program has not loaded it before.
const port = Number(process.env.PORT)
const at = { port, host: '127.0.0.1' }
const refused = (emitter) => new Promise((resolve) => emitter.on('error', (error) => resolve(error.code)))

const ways = {
  require: () => refused(require('node:tls').connect(at)),
  import: async () => refused((await import('node:tls')).connect(at)),
  getBuiltinModule: () => refused(process.getBuiltinModule('tls').connect(at)),
  https: () => refused(require('node:https').get(at)),
  'import https': async () => refused((await import('node:https')).get(at)),
  http2: () => refused(require('node:http2').connect(`https://127.0.0.1:${port}`)),
  fetch: () => fetch(`https://127.0.0.1:${port}/`).catch((error) => error.cause.code),
  proxy: () => {
    const { Agent, get } = require('node:http')
    const agent = new Agent({ proxyEnv: { HTTP_PROXY: `https://127.0.0.1:${port}` } })
    return refused(get({ ...at, agent }))
  },
}

ways[process.env.WAY]().then((code) => {
  console.log(code, globalThis[Symbol.for('sluice.defaultStack')]?.counters().ActiveOpens)
})
