// udx-native brings no types: these are of what is used here.

declare module 'udx-native' {
  export interface UDXStream {
    /** Of what leaves in one datagram, bytes. */
    readonly mtu: number
    /** Smoothed, ms. */
    readonly rtt: number
    /** Segments. */
    readonly cwnd: number
    readonly retransmits: number
    connect(socket: UDXSocket, remoteId: number, port: number, host: string): void
    write(chunk: Buffer): boolean
    end(): unknown
    destroy(): unknown
    on(event: 'data', listener: (chunk: Buffer) => void): unknown
    on(event: 'drain' | 'end' | 'close', listener: () => void): unknown
    on(event: 'error', listener: (error: Error) => void): unknown
    once(event: 'drain', listener: () => void): unknown
  }

  export interface UDXSocket {
    readonly bound: boolean
    bind(port: number, host: string): void
    /** May be called once it is bound. */
    setRecvBufferSize(bytes: number): void
    address(): { host: string; port: number } | null
    trySend(message: Buffer, port: number, host: string): void
    on(event: 'message', listener: (message: Buffer, from: { host: string; port: number }) => void): unknown
  }

  export default class UDX {
    createSocket(): UDXSocket
    createStream(id: number): UDXStream
  }
}
