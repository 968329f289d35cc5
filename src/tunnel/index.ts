export * from './datagrams.ts'
export { type TunnelMode, UdpTunnel, type UdpTunnelOptions } from './tunnel.ts'
