// Sending and reading without dgram, on descriptors that are dgram's: it allocates 64 KB for each read, copies what came into a buffer of its size,
// and says a tick later that a send is done.

import { getSystemErrorName } from 'node:util'
import type { ErrorCode } from './datagrams.ts'
import { GatheredMessage } from './gathered-message.ts'
import type { Loans } from './loans.ts'

/** linux: asm-generic/socket.h. */
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const AF_INET = 2
const SOCKADDR_IN6 = 28
/** Room for the text of an IPv6 address, and for the name of a network interface (linux: IFNAMSIZ). */
const NAME_LENGTH = 64

/** What is used of `koffi`: an optional package, whose own types are those of an ES module. */
export interface Koffi {
  errno(): number
  address(buffer: Buffer): bigint
  sizeof(type: string): number
  load(path: null): { func(declaration: string): never }
}

export interface NativeIo {
  /**
   * Sends `buffer[start … end)` to the socket's peer, or to the address `to`, with what `loans` says of it; null: it is gone. A code, such as
   * `EAGAIN`: it is not.
   */
  send(fd: number, buffer: Buffer, start: number, end: number, to: Buffer | null, loans: Loans): ErrorCode | null
  /** It knows of loans. */
  readonly gathers: boolean
  /** Reads into `buffer[at … at + length)`: so many bytes came, from `remoteAddress` and `remotePort`. A code, such as `EAGAIN`: none. */
  receive(fd: number, buffer: Buffer, at: number, length: number): number | ErrorCode
  readonly remoteAddress: string
  readonly remotePort: number
}

/** Eight bytes, and no tag in the upper ones: numbers hold them. */
function hasPlainAddresses(koffi: Koffi): boolean {
  return koffi.sizeof('void *') === 8 && Number.isSafeInteger(Number(koffi.address(Buffer.alloc(1))))
}

export class LinuxIo implements NativeIo {
  remoteAddress = ''
  remotePort = 0
  readonly #from = Buffer.alloc(SOCKADDR_IN6)
  readonly #fromLength = new Uint32Array(1)
  /** Whose name `remoteAddress` is. */
  readonly #known = Buffer.alloc(SOCKADDR_IN6)
  readonly #name = Buffer.alloc(NAME_LENGTH)
  readonly gathers: boolean
  readonly #message: GatheredMessage | null
  readonly #errno: () => number
  readonly #sendmsg: (fd: number, message: Buffer, flags: number) => number
  readonly #sendto: (fd: number, data: Buffer, size: number, flags: number, to: Buffer | null, length: number) => number
  readonly #recvfrom: (
    fd: number,
    into: Buffer,
    size: number,
    flags: number,
    from: Buffer,
    length: Uint32Array,
  ) => number
  readonly #inetNtop: (family: number, address: Buffer, text: Buffer, size: number) => unknown
  readonly #ifIndextoname: (index: number, name: Buffer) => unknown

  constructor(koffi: Koffi) {
    const libc = koffi.load(null)
    this.#errno = () => koffi.errno()
    this.#message = hasPlainAddresses(koffi) ? new GatheredMessage(koffi) : null
    this.gathers = this.#message !== null
    this.#sendmsg = libc.func('intptr_t sendmsg(int fd, const void *message, int flags)')
    this.#sendto = libc.func(
      'intptr_t sendto(int fd, const void *data, size_t size, int flags, const void *to, uint32_t length)',
    )
    this.#recvfrom = libc.func(
      'intptr_t recvfrom(int fd, void *into, size_t size, int flags, void *from, void *length)',
    )
    this.#inetNtop = libc.func('void *inet_ntop(int family, const void *address, void *text, uint32_t size)')
    this.#ifIndextoname = libc.func('void *if_indextoname(uint32_t index, void *name)')
  }

  send(fd: number, buffer: Buffer, start: number, end: number, to: Buffer | null, loans: Loans): ErrorCode | null {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    if (this.#message !== null && loans.first < loans.count && loans.at[loans.first] < end) {
      const { first } = loans
      if (this.#sendmsg(fd, this.#message.gather(buffer, start, end, to, loans), flags) >= 0) return null
      loans.first = first
    } else {
      const data = start === 0 ? buffer : buffer.subarray(start, end)
      if (this.#sendto(fd, data, end - start, flags, to, to === null ? 0 : to.length) >= 0) return null
    }
    return getSystemErrorName(-this.#errno())
  }

  receive(fd: number, buffer: Buffer, at: number, length: number): number | ErrorCode {
    this.#fromLength[0] = SOCKADDR_IN6
    const into = at === 0 ? buffer : buffer.subarray(at, at + length)
    const count = this.#recvfrom(fd, into, length, MSG_DONTWAIT, this.#from, this.#fromLength)
    if (count < 0) return getSystemErrorName(-this.#errno())
    if (!this.#from.equals(this.#known)) this.#readName()
    return count
  }

  #readName(): void {
    const from = this.#from
    from.copy(this.#known)
    this.remotePort = from.readUInt16BE(2)
    const family = from.readUInt16LE(0)
    this.#inetNtop(family, from.subarray(family === AF_INET ? 4 : 8), this.#name, NAME_LENGTH)
    this.remoteAddress = this.#text()
    const scope = family === AF_INET ? 0 : from.readUInt32LE(24)
    // As dgram writes it: fe80::1%eth0.
    if (scope === 0 || from[8] !== 0xfe || (from[9] & 0xc0) !== 0x80) return
    this.#ifIndextoname(scope, this.#name)
    this.remoteAddress += `%${this.#text()}`
  }

  #text(): string {
    return this.#name.toString('latin1', 0, this.#name.indexOf(0))
  }
}
