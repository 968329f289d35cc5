/** A difference between sluice and Node's net that is meant to be there. */
export interface Allowed {
  readonly name: string
  /** Why it is so, and what it means for an application. */
  readonly reason: string
  readonly programs: 'all' | readonly string[]
  /** Major versions of Node; all by default. */
  readonly nodes?: readonly number[]
  /** What both records are put through before they are compared: another text for the line, or null for none. */
  readonly rewrite: (line: string, lane: string) => string | null
}

/** All of them. A run of the whole suite fails if one of these is not needed any more. */
export const allowed: readonly Allowed[] = [
  {
    name: 'no _handle',
    reason:
      "A socket has no handle of libuv's: Node's own TLS, http2 and http take a socket without one through their wrapper for plain streams, and one with a foreign handle not at all.",
    programs: ['shape: handles'],
    rewrite: (line) => line.replace(/^handle .*/, 'handle'),
  },
  {
    name: 'internals of cluster',
    reason: 'Server.prototype has no _listen2 and no _setupWorker: Node calls them with handles and child processes.',
    programs: ['shape: methods of Server'],
    rewrite: (line) => (/^_(listen2|setupWorker) /.test(line) ? null : line),
  },
  {
    name: 'addresses stay',
    reason:
      "Addresses, ports and families can be read after 'close' whether or not they were read before: logs written in 'close' listeners want them, and Node keeps the peer's, if somebody asked in time, only.",
    programs: [
      'addresses: after close, when they were read before',
      'addresses: after close, when nobody had read them',
    ],
    rewrite: (line) => line.replace(/^(destroyed|closed) .*/, '$1'),
  },
  {
    name: 'signals forget',
    reason:
      'A signal among the options of connect keeps no listener of a socket that has closed; in Node it does, as long as the signal lives.',
    programs: ['hooks: a signal forgets a socket that closed'],
    rewrite: (line) => line.replace(/^listeners .*/, 'listeners'),
  },
]
