import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { Family } from './addresses.ts'
import type { ErrorCode } from './datagrams.ts'
import { type Koffi, LinuxIo, type NativeIo } from './native-io.ts'

// The door to the system calls that `dgram` does not make. It stands open on Linux where `koffi`, an optional dependency, is installed; all
// works without it, slower. A descriptor is made, set up and bound here, then handed to dgram's `bind({ fd })`, whose property it is from then on.

/** linux: asm-generic/socket.h, in.h, in6.h, udp.h; the same on every architecture that Node is built for. */
const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_TYPE = 3
const SO_REUSEPORT = 15
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IP_MTU_DISCOVER = 10
const IPV6_MTU_DISCOVER = 23
const PMTUDISC_PROBE = 3
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const SOL_UDP = 17
const UDP_SEGMENT = 103
const UDP_GRO = 104

export interface NativeRequest {
  family: Family
  address: string
  port: number
  /** Others that ask for the same may bind the address too. */
  shareAddress: boolean
  /** SO_REUSEPORT: several processes on one port, among which the kernel divides the peers. */
  reusePort: boolean
  /** UDP_GRO: one read may return several datagrams of one peer, end to end. */
  coalesce: boolean
  /** IP_PMTUDISC_PROBE: with DF set, as large as the link takes, whatever the system has heard of the way. */
  whole: boolean
}

export interface NativeSockets {
  /** A UDP socket's descriptor, bound; or the code of what failed. */
  open(request: NativeRequest): number | ErrorCode
  /** UDP_SEGMENT: what is sent from now on leaves in datagrams of `size` bytes, the last one shorter; 0: as it is. False: refused. */
  setSegment(fd: number, size: number): boolean
  /** SO_RCVBUFFORCE: a receive buffer beyond the system's limit, which CAP_NET_ADMIN allows; else nothing. */
  forceReceiveBuffer?(fd: number, bytes: number): void
  /** Of a descriptor that dgram did not take. */
  close(fd: number): void
  /** Absent: dgram sends and reads all. */
  readonly io?: NativeIo
  /** An address as `io.send` wants it. */
  sockaddr?(family: Family, address: string, port: number): Buffer | null
  /** Whether a descriptor is that of a UDP socket which is bound to this address, as `sockaddr` makes it. */
  isBoundTo?(fd: number, address: Buffer): boolean
}

let found: NativeSockets | null | undefined

/** Looked for once; null: not to be had here. */
export function nativeSockets(): NativeSockets | null {
  if (found === undefined) found = process.platform === 'linux' && endianness() === 'LE' ? load() : null
  return found
}

function load(): NativeSockets | null {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    return new LinuxSockets(koffi)
  } catch {
    return null
  }
}

class LinuxSockets implements NativeSockets {
  readonly #value = new Int32Array(1)
  readonly #errno: () => number
  readonly #socket: (family: number, type: number, protocol: number) => number
  readonly #bind: (fd: number, address: Buffer, length: number) => number
  readonly #close: (fd: number) => number
  readonly #setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly #getsockopt: (fd: number, level: number, name: number, value: Int32Array, length: Int32Array) => number
  readonly #getsockname: (fd: number, address: Buffer, length: Int32Array) => number
  readonly #inetPton: (family: number, text: string, to: Buffer) => number
  readonly #ifNametoindex: (name: string) => number
  readonly io: NativeIo

  constructor(koffi: Koffi) {
    this.io = new LinuxIo(koffi)
    const libc = koffi.load(null)
    this.#errno = () => koffi.errno()
    this.#socket = libc.func('int socket(int family, int type, int protocol)')
    this.#bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
    this.#close = libc.func('int close(int fd)')
    this.#setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
    this.#getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
    this.#getsockname = libc.func('int getsockname(int fd, void *address, void *length)')
    this.#inetPton = libc.func('int inet_pton(int family, const char *text, _Out_ uint8_t *to)')
    this.#ifNametoindex = libc.func('uint32_t if_nametoindex(const char *name)')
  }

  open(request: NativeRequest): number | ErrorCode {
    const address = this.sockaddr(request.family, request.address, request.port)
    if (address === null) return 'EINVAL'
    const fd = this.#socket(address.readUInt16LE(0), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return this.#failure()
    const ready =
      (request.family === 'IPv4' || this.#set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
      (!request.shareAddress || this.#set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) &&
      (!request.reusePort || this.#set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
      (!request.whole || this.#setWhole(fd, request.family)) &&
      this.#bind(fd, address, address.length) === 0
    if (!ready) {
      const code = this.#failure()
      this.#close(fd)
      return code
    }
    // Kernels before 5.0 have none: then each read is one datagram.
    if (request.coalesce) this.#set(fd, SOL_UDP, UDP_GRO, 1)
    return fd
  }

  setSegment(fd: number, size: number): boolean {
    return this.#set(fd, SOL_UDP, UDP_SEGMENT, size)
  }

  forceReceiveBuffer(fd: number, bytes: number): void {
    this.#set(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)
  }

  close(fd: number): void {
    this.#close(fd)
  }

  isBoundTo(fd: number, address: Buffer): boolean {
    const name = Buffer.alloc(address.length)
    const length = Int32Array.of(name.length)
    if (this.#getsockname(fd, name, length) !== 0 || !name.equals(address)) return false
    length[0] = 4
    return this.#getsockopt(fd, SOL_SOCKET, SO_TYPE, this.#value, length) === 0 && this.#value[0] === SOCK_DGRAM
  }

  #setWhole(fd: number, family: Family): boolean {
    if (family === 'IPv4') return this.#set(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
    return this.#set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
  }

  #set(fd: number, level: number, name: number, value: number): boolean {
    this.#value[0] = value
    return this.#setsockopt(fd, level, name, this.#value, 4) === 0
  }

  #failure(): ErrorCode {
    return getSystemErrorName(-this.#errno())
  }

  sockaddr(family: Family, text: string, port: number): Buffer | null {
    if (family === 'IPv4') {
      const address = Buffer.alloc(16)
      address.writeUInt16LE(AF_INET, 0)
      address.writeUInt16BE(port, 2)
      return this.#inetPton(AF_INET, text, address.subarray(4)) === 1 ? address : null
    }
    const address = Buffer.alloc(28)
    const [plain, zone] = text.split('%')
    address.writeUInt16LE(AF_INET6, 0)
    address.writeUInt16BE(port, 2)
    if (zone !== undefined) address.writeUInt32LE(/^\d+$/.test(zone) ? Number(zone) : this.#ifNametoindex(zone), 24)
    return this.#inetPton(AF_INET6, plain, address.subarray(8)) === 1 ? address : null
  }
}
