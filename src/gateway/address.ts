// Ends of a gateway, as users write them:
//
//     tcp:8080   tcp:127.0.0.1:8080   tcp:[::1]:8080              the kernel's TCP
//     sluice:80  sluice:host:80       sluice:host:80@9898         sluice's; behind @ the UDP port of a tunnel

/** Where a gateway listens, or connects to. */
export interface GatewayAddress {
  readonly protocol: 'tcp' | 'sluice'
  /** Absent: every address to listen on, this machine to connect to. */
  readonly host?: string | undefined
  readonly port: number
  /** UDP port of the tunnel that a sluice port is behind; absent: the UDP port is the TCP port. */
  readonly tunnelPort?: number | undefined
}

const FORM = /^(tcp|sluice):(?:(\[[^\]]+\]|[^:@[\]]+):)?(\d+)(?:@(\d+))?$/

/** Throws a `RangeError` that names the text. */
export function parseGatewayAddress(text: string): GatewayAddress {
  const match = FORM.exec(text)
  if (match === null) {
    throw new RangeError(
      `${JSON.stringify(text)} is no end of a gateway: tcp:[HOST:]PORT or sluice:[HOST:]PORT[@UDPPORT] is wanted`,
    )
  }
  const [, protocol, host, port, tunnelPort] = match
  if (protocol === 'tcp' && tunnelPort !== undefined) {
    throw new RangeError(`${JSON.stringify(text)}: only sluice goes through a tunnel`)
  }
  return {
    protocol: protocol as GatewayAddress['protocol'],
    host: host === '*' ? undefined : host?.replace(/^\[(.*)\]$/, '$1'),
    port: portOf(port, text, 0),
    tunnelPort: tunnelPort === undefined ? undefined : portOf(tunnelPort, text, 1),
  }
}

function portOf(digits: string, text: string, least: number): number {
  const port = Number(digits)
  if (port < least || port > 65_535) throw new RangeError(`${JSON.stringify(text)}: ports go from ${least} to 65535`)
  return port
}

export function formatGatewayAddress({ protocol, host, port, tunnelPort }: GatewayAddress): string {
  const named = host === undefined ? '' : host.includes(':') ? `[${host}]:` : `${host}:`
  return `${protocol}:${named}${port}${tunnelPort === undefined ? '' : `@${tunnelPort}`}`
}
