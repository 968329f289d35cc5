import { alone, type Context, type Net, type Programs } from '../program.ts'

// What cannot be is refused at once, with Node's error codes; and what can only just be is not.

const odd: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  -1,
  65_536,
  1.5,
  NaN,
  Infinity,
  '',
  ' ',
  'x',
  '-1',
  '70000',
  {},
  [],
  () => {},
]

/** Calls, records, and destroys what came of it. */
function tryAll(
  context: Context,
  what: string,
  values: readonly unknown[],
  call: (net: Net, value: never) => unknown,
): void {
  for (const value of values) {
    context.attempt(`${what} of ${typeof value === 'symbol' ? 'a symbol' : `${typeof value} ${String(value)}`}`, () => {
      const made = call(context.net, value as never) as {
        destroy?: () => void
        close?: () => void
        on?: (event: string, listener: () => void) => void
      }
      made?.on?.('error', () => {})
      if (made?.destroy !== undefined) made.destroy()
      else made?.close?.()
      return 'something'
    })
  }
}

export const programs: Programs = {
  'ports of connect'(context) {
    tryAll(context, 'port', odd, (net, port) => net.connect({ port, host: '127.0.0.1' }))
  },

  'first arguments of connect'(context) {
    const values = odd.filter((value) => value !== 'x' && value !== ' ')
    tryAll(context, 'connect', values, (net, value) => net.connect(value))
  },

  'connect without arguments'({ net, attempt }) {
    attempt('connect()', () => (net.connect as () => unknown)())
    attempt('Socket.connect()', () => (new net.Socket().connect as () => unknown)())
    attempt('connect({})', () => net.connect({} as never))
    attempt('connect(callback)', () => net.connect((() => {}) as never))
  },

  'hosts of connect'(context) {
    tryAll(context, 'host', [undefined, null, 5, true, {}, []], (net, host) => net.connect({ port: 1, host }))
  },

  'localAddress of connect'(context) {
    tryAll(context, 'localAddress', ['', 'foobar', '127.0.0', 'localhost', 5, {}], (net, localAddress) => {
      return net.connect({ port: 1, host: '127.0.0.1', localAddress })
    })
  },

  'localPort of connect'(context) {
    tryAll(context, 'localPort', ['foobar', {}, [], true, '', null, undefined, 0], (net, localPort) => {
      return net.connect({ port: 1, host: '127.0.0.1', localPort })
    })
  },

  'lookup of connect'(context) {
    tryAll(context, 'lookup', ['x', 5, true, {}, [], null, undefined, 0], (net, lookup) => {
      return net.connect({ port: 1, host: 'a.name.invalid', lookup })
    })
  },

  'family and hints of connect'(context) {
    tryAll(context, 'family', [5, 'IPv5', '4', {}, true, null, 7], (net, family) => {
      return net.connect({ port: 1, host: 'localhost', family })
    })
    tryAll(context, 'hints', [-1, 'x', {}, 1, 1e9, null], (net, hints) => {
      return net.connect({ port: 1, host: 'localhost', hints })
    })
  },

  'autoSelectFamily of connect'(context) {
    tryAll(context, 'autoSelectFamily', ['x', 0, 1, {}, null, undefined, true, false], (net, autoSelectFamily) => {
      return net.connect({ port: 1, host: '127.0.0.1', autoSelectFamily })
    })
    tryAll(context, 'timeout', ['x', 0, -1, 1.5, {}, null, undefined, 1, 2 ** 31, NaN], (net, timeout) => {
      return net.connect({ port: 1, host: '127.0.0.1', autoSelectFamilyAttemptTimeout: timeout })
    })
  },

  'timeout of connect'(context) {
    tryAll(context, 'timeout', ['x', -1, {}, NaN, Infinity, 2 ** 31, null, undefined, 0, 1.5], (net, timeout) => {
      return net.connect({ port: 1, host: '127.0.0.1', timeout })
    })
  },

  'paths of connect'(context) {
    tryAll(context, 'path', [5, {}, true, [], Buffer.from('x')], (net, path) => net.connect({ path }))
    tryAll(context, 'path with port', [0, false, '', null], (net, path) =>
      net.connect({ path, port: 1, host: '127.0.0.1' } as never),
    )
  },

  'callbacks of connect'(context) {
    tryAll(context, 'callback', [undefined, null, 5, 'x', {}], (net, callback) => net.connect(1, '127.0.0.1', callback))
  },

  'options of Socket'(context) {
    for (const option of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
      tryAll(context, option, [true, false, 1, 'x', null], (net, value) => new net.Socket({ [option]: value } as never))
    }
    tryAll(context, 'keepAliveInitialDelay', ['x', -1, {}, NaN, 1.5, null, Infinity], (net, value) => {
      return new net.Socket({ keepAliveInitialDelay: value } as never)
    })
  },

  'fd of Socket'(context) {
    tryAll(context, 'fd', ['x', -1, 1.5, {}, null, 2 ** 31, NaN, true], (net, fd) => new net.Socket({ fd }))
  },

  'Socket of what is no object'(context) {
    tryAll(context, 'Socket', [undefined, null, 'x', true, Symbol('s')], (net, value) => new net.Socket(value))
  },

  'highWaterMark of Socket'(context) {
    tryAll(context, 'highWaterMark', ['x', -1, {}, NaN, 1.5, null, 0, 1], (net, value) => {
      const socket = new net.Socket({ highWaterMark: value } as never)
      context.record('marks', socket.readableHighWaterMark, socket.writableHighWaterMark)
      return socket
    })
  },

  'signal of Socket'(context) {
    tryAll(context, 'signal', ['x', {}, null, 5, undefined], (net, signal) => new net.Socket({ signal }))
  },

  'onread of Socket'(context) {
    const values = ['x', {}, null, 5, { buffer: 'x', callback() {} }, { buffer: Buffer.alloc(1) }, { callback() {} }]
    tryAll(context, 'onread', values, (net, onread) => new net.Socket({ onread }))
  },

  'options of Server'(context) {
    tryAll(
      context,
      'Server',
      [undefined, null, 'x', 5, true, Symbol('s'), {}, () => {}],
      (net, value) => new net.Server(value),
    )
    for (const option of ['keepAliveInitialDelay', 'highWaterMark']) {
      tryAll(context, option, ['x', -1, {}, NaN, 1.5, null, 0, Infinity], (net, value) => {
        const server = net.createServer({ [option]: value } as never)
        context.record(option, (server as unknown as Record<string, unknown>)[option])
        return server
      })
    }
  },

  'listeners of Server'(context) {
    tryAll(context, 'listener', [undefined, null, 'x', 5, {}], (net, listener) => {
      const server = net.createServer({}, listener)
      context.record('listeners', server.listenerCount('connection'))
      return server
    })
  },

  'ports of listen'(context) {
    tryAll(context, 'port', odd, (net, port) => {
      const server = net.createServer()
      server.on('error', () => {})
      return server.listen({ port, host: '127.0.0.1' })
    })
  },

  'first arguments of listen'(context) {
    const values = odd.filter((value) => value !== 'x' && value !== ' ' && value !== '-1')
    tryAll(context, 'listen', values, (net, value) => net.createServer().listen(value))
  },

  'listen with options that say nothing'(context) {
    const values = [
      { a: 1 },
      { host: 'x' },
      { port: undefined },
      { port: null },
      { backlog: 5 },
      { path: 5 },
      { path: undefined },
      { fd: -1 },
      { fd: 'x' },
    ]
    for (const value of values) {
      context.attempt(`listen ${JSON.stringify(value)}`, () => {
        const server = context.net.createServer().listen(value as never)
        server.on('error', () => {})
        server.close()
        return 'something'
      })
    }
  },

  'signal of listen'(context) {
    tryAll(context, 'signal', ['x', {}, null, 5, undefined], (net, signal) =>
      net.createServer().listen({ port: 0, signal }),
    )
  },

  'times of setTimeout'({ net, attempt }) {
    for (const value of ['x', -1, {}, NaN, Infinity, 1.5, 0, null, undefined, '5', 2 ** 31, -0]) {
      const socket = new net.Socket()
      attempt(`setTimeout ${String(value)}`, () => socket.setTimeout(value as never) === socket)
      attempt('timeout', () => socket.timeout)
      socket.destroy()
    }
  },

  'callbacks of setTimeout'({ net, attempt, record }) {
    for (const value of ['x', 5, {}, null, undefined]) {
      const socket = new net.Socket()
      attempt(`setTimeout with ${String(value)}`, () => socket.setTimeout(1, value as never) === socket)
      record('listeners', socket.listenerCount('timeout'), socket.timeout)
      socket.destroy()
    }
  },

  'what the setters take'({ net, attempt }) {
    const socket = new net.Socket()
    for (const value of [undefined, true, false, 0, 'x', null, {}]) {
      attempt('setNoDelay', () => socket.setNoDelay(value as never) === socket)
      attempt('setKeepAlive', () => socket.setKeepAlive(value as never) === socket)
      attempt('setKeepAlive with a delay', () => socket.setKeepAlive(true, value as never) === socket)
    }
    socket.destroy()
  },

  'chunks of write'({ net, attempt }) {
    for (const value of [undefined, null, 5, true, {}, [], NaN, Symbol('s'), 5n, () => {}]) {
      const socket = new net.Socket()
      socket.on('error', () => {})
      attempt('write', () => socket.write(value as never))
      attempt('end', () => socket.end(value as never) === socket)
      attempt('errored', () => socket.errored)
    }
  },

  'chunks that are views'({ net, attempt }) {
    const socket = new net.Socket()
    for (const value of [
      new Uint8Array(2),
      new Uint16Array(2),
      new Float64Array(1),
      new DataView(new ArrayBuffer(3)),
      new ArrayBuffer(3),
    ]) {
      attempt(value.constructor.name, () => socket.write(value as never))
      attempt('bytesWritten', () => socket.bytesWritten)
    }
    socket.on('error', () => {})
    socket.destroy()
  },

  'encodings of write and setEncoding'({ net, attempt }) {
    const socket = new net.Socket()
    socket.on('error', () => {})
    attempt('write', () => socket.write('x', 'nonsense' as never))
    attempt('setDefaultEncoding', () => socket.setDefaultEncoding('nonsense' as never))
    attempt('setDefaultEncoding hex', () => socket.setDefaultEncoding('hex') === socket)
    attempt('setEncoding', () => socket.setEncoding('nonsense' as never))
    socket.destroy()
  },

  'isIP, isIPv4 and isIPv6'({ net, record }) {
    const values = [
      '127.0.0.1',
      'x',
      '::1',
      '',
      '0.0.0.0',
      '256.1.1.1',
      '1.2.3',
      '::ffff:1.2.3.4',
      '::1%lo',
      'fe80::1%1',
      '1::2::3',
      ':::',
      '01.2.3.4',
      ' 1.2.3.4',
      null,
      undefined,
      5,
      {},
      { toString: () => '1.2.3.4' },
      ['1.2.3.4'],
    ]
    for (const value of values)
      record('is', value, net.isIP(value as never), net.isIPv4(value as never), net.isIPv6(value as never))
  },

  'defaults of autoSelectFamily': alone(({ net, attempt }) => {
    attempt('default', () => [net.getDefaultAutoSelectFamily(), net.getDefaultAutoSelectFamilyAttemptTimeout()])
    for (const value of ['x', 0, null, {}, false, true]) {
      attempt('set', () => net.setDefaultAutoSelectFamily(value as never))
      attempt('get', () => net.getDefaultAutoSelectFamily())
    }
    for (const value of ['x', 0, -1, null, {}, 1, 9, 10, 11, 1.5, 1000]) {
      attempt('set timeout', () => net.setDefaultAutoSelectFamilyAttemptTimeout(value as never))
      attempt('get timeout', () => net.getDefaultAutoSelectFamilyAttemptTimeout())
    }
  }),

  async 'getConnections without a function'({ net, attempt, turns }) {
    for (const value of [undefined, null, 'x', 5, {}])
      attempt('getConnections', () => net.createServer().getConnections(value as never))
    await turns()
  },

  'close of a server with what is no function'({ net, attempt }) {
    for (const value of [undefined, null, 'x', 5, {}]) {
      attempt('close', () => net.createServer().close(value as never) instanceof net.Server)
    }
  },
}
