export * from './datagrams.ts'
export { nativeSockets } from './native.ts'
export { canSharePorts } from './shared-port.ts'
export { type TunnelMode, UdpTunnel, type UdpTunnelOptions } from './tunnel.ts'
