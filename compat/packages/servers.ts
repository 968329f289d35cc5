import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a case learns of a server: where it listens, and what else it has to know. */
export interface Reach {
  readonly port: number
  readonly [detail: string]: string | number
}

/** The server is not there, and what to do about it. */
export class Missing extends Error {}

export interface Certificate {
  readonly key: string
  readonly cert: string
}

interface Recipe {
  /** The package of Debian that has it. */
  readonly debian: string
  /** Its command, or patterns of where that is when it is not on the path. */
  readonly command: string
  /** Prepares `folder` and tells how to start it; `ports` are free. */
  readonly prepare: (place: Place) => Start
}

interface Place {
  readonly binary: string
  readonly folder: string
  readonly ports: readonly number[]
  readonly certificate: Certificate
}

interface Start {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Who runs it, where it does not want to be root. */
  readonly user?: Account | undefined
  /** What the case is told beside the first port; members that end in Port lead to other ports. */
  readonly details?: Record<string, string | number>
  /** After it has been told to end. */
  readonly after?: () => void
}

interface Account {
  readonly uid: number
  readonly gid: number
}

/** How long one may take to accept connections, on a slow machine. */
const START_MS = 180_000

const isRoot = process.getuid?.() === 0

/** Of /etc/passwd; nobody needs to change user who is not root. */
function account(name: string): Account | undefined {
  if (!isRoot) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

function give(user: Account | undefined, ...paths: string[]): void {
  if (user !== undefined) for (const path of paths) chownSync(path, user.uid, user.gid)
}

function run(
  command: string,
  args: readonly string[],
  options: Partial<Account> & { env?: NodeJS.ProcessEnv } = {},
): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options })
  if (status !== 0) throw error ?? new Error(`${command} ended with ${status}: ${stderr}`)
}

function writeCertificate({ folder, certificate }: Place, user?: Account): { key: string; cert: string } {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  writeFileSync(key, certificate.key, { mode: 0o600 })
  writeFileSync(cert, certificate.cert)
  give(user, key, cert)
  return { key, cert }
}

const recipes: Record<string, Recipe> = {
  redis: {
    debian: 'redis-server',
    command: 'redis-server',
    prepare: (place) => {
      const { key, cert } = writeCertificate(place)
      const [port, tlsPort] = place.ports as [number, number]
      const settings = {
        port,
        'tls-port': tlsPort,
        'tls-key-file': key,
        'tls-cert-file': cert,
        'tls-auth-clients': 'no',
        bind: '127.0.0.1',
        save: '',
        dir: place.folder,
      }
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
      return { command: place.binary, args, details: { tlsPort } }
    },
  },
  postgres: {
    debian: 'postgresql',
    command: 'postgres',
    prepare: (place) => {
      const user = account('postgres')
      const { key, cert } = writeCertificate(place, user)
      const data = join(place.folder, 'data')
      give(user, place.folder)
      run(join(place.binary, '../initdb'), ['-D', data, '-U', 'sluice', '-A', 'trust', '--no-sync', '-E', 'UTF8'], user)
      const settings = {
        ssl: 'on',
        ssl_key_file: key,
        ssl_cert_file: cert,
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
        fsync: 'off',
      }
      const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      return {
        command: place.binary,
        args: ['-D', data, '-p', String(place.ports[0]), ...args],
        user,
        details: { user: 'sluice' },
      }
    },
  },
  mariadb: {
    debian: 'mariadb-server',
    command: 'mariadbd',
    prepare: (place) => {
      const user = account('mysql')
      const { key, cert } = writeCertificate(place, user)
      const data = join(place.folder, 'data')
      give(user, place.folder)
      run(
        'mariadb-install-db',
        ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
        user,
      )
      const settings = {
        datadir: data,
        port: place.ports[0],
        'bind-address': '127.0.0.1',
        socket: join(place.folder, 'socket'),
        'pid-file': join(place.folder, 'pid'),
        'ssl-key': key,
        'ssl-cert': cert,
        'max-allowed-packet': '64M',
      }
      const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
      return { command: place.binary, args: ['--no-defaults', ...args], user, details: { user: 'root' } }
    },
  },
  mosquitto: {
    debian: 'mosquitto',
    command: 'mosquitto',
    prepare: ({ binary, folder, ports }) => {
      const file = join(folder, 'mosquitto.conf')
      // The version in Debian 12 forgets to go on after more messages in flight than its limit of 20.
      const lines = [
        `listener ${ports[0]} 127.0.0.1`,
        'allow_anonymous true',
        'max_inflight_messages 0',
        ...(isRoot ? ['user root'] : []),
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
      return { command: binary, args: ['-c', file] }
    },
  },
  nginx: {
    debian: 'nginx-light',
    command: 'nginx',
    prepare: ({ binary, folder, ports }) => {
      const file = join(folder, 'nginx.conf')
      const [root, temporary] = [join(folder, 'root'), join(folder, 'temporary')]
      for (const path of [root, temporary]) mkdirSync(path)
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (kind) => `${kind}_temp_path ${temporary}/${kind};`,
      )
      writeFileSync(
        file,
        `${isRoot ? 'user root;' : ''} daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http { access_log off; ${paths.join(' ')} client_max_body_size 64m;
server { listen 127.0.0.1:${ports[0]}; root ${root}; dav_methods PUT DELETE; } }
`,
      )
      return { command: binary, args: ['-p', folder, '-e', `${folder}/error.log`, '-c', file] }
    },
  },
  rabbitmq: {
    debian: 'rabbitmq-server',
    command: 'rabbitmq-server',
    prepare: ({ folder, ports }) => {
      const [port, names, distribution] = ports as [number, number, number]
      const user = account('rabbitmq')
      give(user, folder)
      const env = {
        ...process.env,
        HOME: folder,
        ERL_EPMD_PORT: String(names),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        ERL_EPMD_RELAXED_COMMAND_CHECK: '1',
        RABBITMQ_NODENAME: `sluice${port}@localhost`,
        RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_MNESIA_BASE: join(folder, 'data'),
        RABBITMQ_LOG_BASE: join(folder, 'log'),
        RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
        RABBITMQ_CONFIG_FILE: join(folder, 'none'),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      }
      return {
        // Debian's own script changes the user by `su`, which takes the environment away.
        command: '/usr/lib/rabbitmq/bin/rabbitmq-server',
        args: [],
        env,
        user,
        // The name server that the node has started goes on without it.
        after: () => void spawnSync('epmd', ['-port', String(names), '-kill']),
      }
    },
  },
}

/** Started when they are asked for, and stopped at the end. Nothing of them is left: folders, processes. */
export class Servers {
  readonly #base = mkdtempSync(join(tmpdir(), 'sluice-packages-'))
  readonly #started = new Map<string, Promise<Reach>>()
  readonly #stops: (() => Promise<void>)[] = []
  #certificate: Certificate | undefined

  constructor() {
    chmodSync(this.#base, 0o755)
  }

  /** For localhost and 127.0.0.1, signed by itself. */
  certificate(): Certificate {
    if (this.#certificate === undefined) {
      const [key, cert] = [join(this.#base, 'key.pem'), join(this.#base, 'cert.pem')]
      const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
      const request = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ]
      run('openssl', [...request, '-subj', '/CN=localhost', '-addext', names, '-keyout', key, '-out', cert])
      this.#certificate = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    }
    return this.#certificate
  }

  /** Starts it, once. Rejects with `Missing` if it is not installed. */
  start(name: string): Promise<Reach> {
    const before = this.#started.get(name)
    if (before !== undefined) return before
    const started = this.#start(name)
    this.#started.set(name, started)
    return started
  }

  async #start(name: string): Promise<Reach> {
    const recipe = recipes[name]
    if (recipe === undefined) throw new Error(`there is no recipe for ${name}`)
    const binary = find(recipe.command)
    if (binary === undefined) throw new Missing(`${name} is not installed: apt-get install ${recipe.debian}`)
    const folder = join(this.#base, name)
    mkdirSync(folder)
    const ports = await freePorts(3)
    const start = recipe.prepare({ binary, folder, ports, certificate: this.certificate() })
    const child = spawn(start.command, start.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: folder,
      // A group of its own: the server may be what a script has started.
      detached: true,
      ...start.user,
      ...(start.env && { env: start.env }),
    })
    this.#stops.push(() => stop(child, start.after))
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        said = `${said}${data}`.slice(-2000)
      })
    }
    await accepts(ports[0] as number, child, () => said)
    return { port: ports[0] as number, ...start.details }
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#started.values())
    await Promise.all(this.#stops.splice(0).map((stop) => stop()))
    rmSync(this.#base, { recursive: true, force: true })
  }
}

function find(command: string): string | undefined {
  const versions = '/usr/lib/postgresql'
  const postgres = existsSync(versions) ? readdirSync(versions).map((version) => `${versions}/${version}/bin`) : []
  const folders = [...postgres, ...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, command)).find(existsSync)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Resolves when it takes connections. */
async function accepts(port: number, child: ChildProcess, said: () => string): Promise<void> {
  const until = Date.now() + START_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}: ${said()}`)
    const connected = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (connected) return
    if (Date.now() > until) throw new Error(`${child.spawnfile} takes no connections: ${said()}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function stop(child: ChildProcess, after?: () => void): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    // SIGTERM to all of its group; what does not heed it is killed.
    const group = -child.pid
    process.kill(group, 'SIGTERM')
    const patience = setTimeout(() => process.kill(group, 'SIGKILL'), 20_000)
    await ended
    clearTimeout(patience)
  }
  after?.()
}
