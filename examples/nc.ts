// netcat over sluice: OpenBSD's nc as Debian ships it, as far as TCP goes, with its messages and its exit statuses.
//
//   npx tsx examples/nc.ts -l 7000                    listens; what comes goes to stdout, stdin goes to the peer
//   npx tsx examples/nc.ts 127.0.0.1 7000             connects
//   npx tsx examples/nc.ts -zv 127.0.0.1 7000-7010    tells which ports answer
//   tar c . | npx tsx examples/nc.ts -N HOST 7000     sends, half-closes, waits for the peer to finish
//
// In a project of yours the import below reads `import net from 'sluice'`; with `node:net` it is a netcat for the kernel's TCP.

import { lookup, lookupService } from 'node:dns/promises'
import { on } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import net, { type Socket } from '../src/index.ts'

const USAGE = `usage: nc [-46CdhklNnvz] [-p source_port] [-q seconds] [-s sourceaddr]
	  [-w timeout] [destination] [port]
`
const HELP = `	Command Summary:
		-4		Use IPv4
		-6		Use IPv6
		-C		Send CRLF as line-ending
		-d		Detach from stdin
		-h		This help text
		-k		Keep inbound sockets open for multiple connects
		-l		Listen mode, for inbound connects
		-N		Shutdown the network socket after EOF on stdin
		-n		Suppress name/port resolutions
		-p port		Specify local port for remote connects
		-q secs		quit after EOF on stdin and delay of secs
		-s sourceaddr	Local source address
		-v		Verbose
		-w timeout	Timeout for connects and final net reads
		-z		Zero-I/O mode [used for scanning]
	Port numbers can be individual or ranges: lo-hi [inclusive]
`
/** What the C library says; Node's own messages are libuv's, and differ. */
const STRERROR: Record<string, string> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ETIMEDOUT: 'Connection timed out',
}

const flags = new Set<string>()
const values = new Map<string, string>()
const operands = getopt(process.argv.slice(2), '46CdhklNnvz', 'pqsw')
if (flags.has('h')) exit(0, USAGE + HELP)

const listens = flags.has('l')
const verbose = flags.has('v')
const family = flags.has('4') ? 4 : flags.has('6') ? 6 : 0
const timeoutMs = strtonum('timeout', values.get('w') ?? '0', 0, 2_147_483) * 1000
const quitAfter = strtonum('quit timer', values.get('q') ?? '-1', -(2 ** 31), 2 ** 31 - 1)
let stdinEnded = flags.has('d')

if (operands.length === 0 && !listens) exit(1, USAGE)
if (listens && operands.length > (values.has('p') || values.has('s') ? 0 : 2)) exit(1, USAGE)
const service = listens ? (operands.at(-1) ?? values.get('p')) : operands[1]
if (service === undefined) die('missing port number')
if (listens && flags.has('z')) die('cannot use -z and -l')
if (flags.has('k') && !listens) die('must use -l with -k')

// A reader that went away, as in `nc … | head -1`, ends us as it ends others.
process.stdout.on('error', () => process.exit())
process.exitCode = listens ? await listen(service) : await scan(operands[0], operands.slice(1).flatMap(ports))
process.stdin.pause()

async function listen(service: string): Promise<number> {
  const host = operands.length > 1 ? operands[0] : values.get('s')
  const [address] = host === undefined ? [family === 6 ? '::' : '0.0.0.0'] : await resolve(host, 'getaddrinfo')
  // `pauseOnConnect`: with -k the connections that wait for their turn keep what they have brought.
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen({ host: address, port: localPort(service) }, async () => {
    const { address, port } = server.address() as AddressInfo
    if (verbose) process.stderr.write(`Listening on ${await nameOf(address)} ${port}\n`)
  })
  try {
    for await (const [socket] of on(server, 'connection') as AsyncIterable<[Socket]>) {
      if (!flags.has('k')) server.close()
      const { remoteAddress = '', remotePort } = socket
      if (verbose) process.stderr.write(`Connection received on ${await nameOf(remoteAddress)} ${remotePort}\n`)
      await relay(socket)
      if (!flags.has('k')) break
    }
  } catch (error) {
    die(strerror((error as NodeJS.ErrnoException).code))
  }
  return 0
}

/** Connects to one port after the other. As with nc it is a success if any of them answered. */
async function scan(host: string, ports: number[]): Promise<number> {
  let status = 1
  const source = values.get('s')
  const [localAddress] = source === undefined ? [undefined] : await resolve(source, 'getaddrinfo')
  const from = { localAddress, localPort: values.has('p') ? localPort(values.get('p')!) : undefined }
  for (const port of ports) {
    for (const address of await resolve(host, `getaddrinfo for host "${host}" port ${port}`)) {
      const to = address === host ? host : `${host} (${address})`
      const socket = net.connect({ host: address, port, allowHalfOpen: true, ...from })
      const failure = await connected(socket)
      if (failure === null) {
        status = 0
        if (verbose) process.stderr.write(`Connection to ${to} ${port} port [tcp/${serviceName(port)}] succeeded!\n`)
        await relay(socket)
        break
      }
      if (failure === 'EADDRINUSE' || failure === 'EADDRNOTAVAIL') die(`bind failed: ${strerror(failure)}`)
      const why = failure === 'timeout' ? 'timed out: Operation now in progress' : `failed: ${strerror(failure)}`
      if (verbose) warn(`connect to ${to} port ${port} (tcp) ${why}`)
    }
  }
  return status
}

/** Null when the connection stands, else the code of what prevented it, or `timeout`. */
function connected(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    const timer = timeoutMs > 0 ? setTimeout(() => settle('timeout'), timeoutMs) : undefined
    const failed = (error: NodeJS.ErrnoException): void => settle(error.code ?? error.message)
    const settle = (outcome: string | null): void => {
      clearTimeout(timer)
      socket.off('error', failed)
      if (outcome !== null) socket.on('error', () => {}).destroy()
      resolve(outcome)
    }
    socket.on('error', failed).once('connect', () => settle(null))
  })
}

/** Carries stdin to the peer and the peer to stdout until there is no more to carry. */
function relay(socket: Socket): Promise<void> {
  const { stdin, stdout } = process
  let peerEnded = false
  let finishing = false
  let timer: NodeJS.Timeout | undefined
  const finish = (): void => {
    stdin.off('data', send).off('end', sentAll).pause()
    clearTimeout(timer)
    // What was written is still delivered. Then this process ends, and its TCP with it: a peer that is about to end too gets a
    // moment for it, or nobody would be left to acknowledge its last segment.
    finishing = true
    if (peerEnded) socket.destroySoon()
    else {
      socket.off('data', received).setTimeout(0).end().resume()
      timer = setTimeout(() => socket.destroy(), 1000)
    }
  }
  const finishIn = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(finish, ms)
  }
  // The peer may have half-closed and still want what stdin has: that goes on for as long as it flows, but is not waited for.
  const finishWhenIdle = (): void => finishIn(listens ? 100 : 1000)
  const send = (chunk: Buffer): void => {
    clearTimeout(timer)
    if (!socket.write(flags.has('C') ? toCrlf(chunk) : chunk)) stdin.pause()
    else if (peerEnded) finishWhenIdle()
  }
  const drained = (): void => {
    stdin.resume()
    if (peerEnded) finishWhenIdle()
  }
  const sentAll = (): void => {
    stdinEnded = true
    if (flags.has('N') || quitAfter >= 0) socket.end()
    if (peerEnded) finish()
    else if (quitAfter >= 0 && !flags.has('d')) finishIn(quitAfter * 1000)
  }
  const received = (chunk: Buffer): void => {
    if (stdout.write(chunk)) return
    socket.pause()
    stdout.once('drain', () => socket.resume())
  }
  return new Promise((resolve) => {
    // A reset is an end like any other, to nc.
    socket
      .on('error', () => {})
      .on('close', () => {
        finish()
        resolve()
      })
    if (flags.has('z')) return void socket.end().resume()
    socket.on('data', received).on('drain', drained)
    socket.on('end', () => {
      peerEnded = true
      if (finishing || stdinEnded || stdin.isTTY) finish()
      else if (!stdin.isPaused()) finishWhenIdle()
    })
    if (timeoutMs > 0 && !listens) socket.setTimeout(timeoutMs, finish)
    if (stdinEnded) sentAll()
    else stdin.on('data', send).on('end', sentAll).resume()
    socket.resume()
  })
}

/** LF becomes CR LF, where no CR stands before it already. */
function toCrlf(chunk: Buffer): Buffer {
  return Buffer.from(chunk.toString('latin1').replace(/(?<!\r)\n/g, '\r\n'), 'latin1')
}

/** The addresses of a host, in the resolver's order. */
async function resolve(host: string, what: string): Promise<string[]> {
  const literal = net.isIP(host)
  if (literal !== 0)
    return family === 0 || literal === family ? [host] : die(`${what}: Address family for hostname not supported`)
  try {
    if (flags.has('n')) throw new Error('a name, and -n forbids to resolve it')
    return (await lookup(host, { all: true, family, verbatim: true })).map(({ address }) => address)
  } catch (error) {
    const temporary = (error as NodeJS.ErrnoException).code === 'EAI_AGAIN'
    return die(`${what}: ${temporary ? 'Temporary failure in name resolution' : 'Name or service not known'}`)
  }
}

async function nameOf(address: string): Promise<string> {
  if (flags.has('n')) return address
  return (await lookupService(address, 0).catch(() => null))?.hostname ?? address
}

/** Ports of one argument: a service's name, a number, or a range. */
function ports(text: string): number[] {
  const number = (text: string): number => servicePort(text) ?? strtonum('port number', text, 1, 65_535)
  const dash = /^\d/.test(text) ? text.indexOf('-') : -1
  if (dash < 0) return [number(text)]
  const bounds = [number(text.slice(dash + 1)), number(text.slice(0, dash))].sort((a, b) => a - b)
  return Array.from({ length: bounds[1] - bounds[0] + 1 }, (_, index) => bounds[0] + index)
}

function localPort(text: string): number {
  const port = servicePort(text) ?? Number(text)
  return port >= 0 && port <= 65_535 ? port : die('getaddrinfo: Servname not supported for ai_socktype')
}

function servicePort(name: string): number | undefined {
  return services().find((service) => service.names.includes(name))?.port
}

function serviceName(port: number): string {
  return (!flags.has('n') && services().find((service) => service.port === port)?.names[0]) || '*'
}

function services(): { names: string[]; port: number }[] {
  try {
    const lines = readFileSync('/etc/services', 'utf8').matchAll(/^([^#\s]+)\s+(\d+)\/tcp([^#\n]*)/gm)
    return Array.from(lines, ([, name, port, more]) => ({
      names: [name, ...more.split(/\s+/).filter(Boolean)],
      port: Number(port),
    }))
  } catch {
    return []
  }
}

/** Reads options as getopt does: `-lvp 80`, `-w1`, options behind operands, `--`. Returns the operands. */
function getopt(args: string[], plain: string, valued: string): string[] {
  const operands: string[] = []
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    if (arg === '--') return [...operands, ...args]
    if (!/^-./.test(arg)) operands.push(arg)
    else
      for (let at = 1; at < arg.length; at++) {
        const letter = arg[at]
        if (plain.includes(letter)) flags.add(letter)
        else if (valued.includes(letter)) {
          const value = arg.slice(at + 1) || args.shift()
          if (value === undefined) exit(1, `nc: option requires an argument -- '${letter}'\n${USAGE}`)
          values.set(letter, value)
          break
        } else exit(1, `nc: invalid option -- '${letter}'\n${USAGE}`)
      }
  }
  return operands
}

function strtonum(what: string, text: string, lowest: number, highest: number): number {
  const number = /^\s*[-+]?\d+$/.test(text) ? Number(text) : die(`${what} invalid: ${text}`)
  if (number < lowest) return die(`${what} too small: ${text}`)
  return number > highest ? die(`${what} too large: ${text}`) : number
}

function strerror(code: string | undefined): string {
  return STRERROR[code ?? ''] ?? code ?? 'Unknown error'
}

function warn(text: string): void {
  process.stderr.write(`nc: ${text}\n`)
}

function die(text: string): never {
  exit(1, `nc: ${text}\n`)
}

function exit(status: number, text: string): never {
  process.stderr.write(text)
  process.exit(status)
}
