export { ProxyServer, type ProxyServerOptions } from './api.ts'
export type { ProxyRecord } from './proxy.ts'
export type { Stream, Toxic } from './toxics.ts'
