import { kHandle, kState, type SocketInternals, type WriteData } from './internals.ts'

// What a socket tells of itself, by getters of its prototype: they are safe to read there, for whoever lists its members.

type Self = SocketInternals

/** As `net` shows those that are part of its documented surface. */
const shown = { enumerable: true }

export function byteLength(data: WriteData, encoding: string): number {
  if (typeof data === 'string') return Buffer.byteLength(data, encoding as BufferEncoding)
  if (!Array.isArray(data)) return data.length
  let length = 0
  for (const { chunk, encoding } of data) length += byteLength(chunk, encoding)
  return length
}

/** The getters, for `Socket.prototype`. */
export function addView(proto: Self): void {
  function getter<Key extends keyof Self>(
    name: Key,
    get: (this: Self) => Self[Key] | undefined,
    how: { enumerable?: boolean } = {},
  ): void {
    Object.defineProperty(proto, name, { get, configurable: true, ...how })
  }

  proto.address = function (this: Self) {
    return this[kHandle] === null ? {} : this._getsockname()
  }

  proto._getsockname = function (this: Self) {
    const handle = this[kHandle]
    if (handle === null) return this[kState].localName ?? {}
    // As in `net`: what was told first holds until the attempt is over, and if that was nothing, too.
    this._sockname ??= handle.localName() ?? {}
    return this._sockname
  }

  proto._getpeername = function (this: Self) {
    const state = this[kState]
    if (!this.connecting) state.remoteName = this[kHandle]?.remoteName() ?? state.remoteName
    return state.remoteName ?? {}
  }

  getter('_connecting', function () {
    return this.connecting
  })

  getter('pending', function () {
    return this[kHandle] === null || this.connecting
  })

  getter('readyState', function () {
    if (this.connecting) return 'opening'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  })

  getter('bufferSize', function () {
    return this[kHandle] === null ? undefined : this.writableLength
  })

  getter(
    'bytesRead',
    function () {
      return this[kHandle]?.bytesRead ?? this[kState].bytesRead
    },
    shown,
  )

  getter(
    '_bytesDispatched',
    function () {
      return this[kHandle]?.bytesWritten ?? this[kState].bytesWritten
    },
    shown,
  )

  getter(
    'bytesWritten',
    function () {
      const { writableBuffer } = this
      if (!writableBuffer) return undefined
      let bytes = this._bytesDispatched
      for (const { chunk, encoding } of writableBuffer) bytes += byteLength(chunk, encoding)
      if (this._pendingData !== null) bytes += byteLength(this._pendingData, this._pendingEncoding)
      return bytes
    },
    shown,
  )

  for (const [name, end, part] of [
    ['localAddress', '_getsockname', 'address'],
    ['localPort', '_getsockname', 'port'],
    ['localFamily', '_getsockname', 'family'],
    ['remoteAddress', '_getpeername', 'address'],
    ['remotePort', '_getpeername', 'port'],
    ['remoteFamily', '_getpeername', 'family'],
  ] as const) {
    getter(
      name,
      function () {
        return this[end]()[part]
      },
      shown,
    )
  }
}
