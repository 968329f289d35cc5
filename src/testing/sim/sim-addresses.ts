export const isIPv6 = (address: string): boolean => address.includes(':')
export const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'
export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'
