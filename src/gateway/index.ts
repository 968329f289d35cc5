export { formatGatewayAddress, type GatewayAddress, parseGatewayAddress } from './address.ts'
export { createGateway, type Gateway, type GatewayEvents, type GatewayOptions } from './gateway.ts'
export { type GatewayCounters, join, reset } from './relay.ts'
