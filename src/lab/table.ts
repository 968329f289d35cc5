import type { SocketTimer } from '../stack/index.ts'
import type { Network } from '../testing/index.ts'

/** What `ss -tano` would print, of every host. */
export function socketTable(network: Network): string[] {
  const rows = network.hosts.flatMap((host) => {
    const sockets = host.sockets()
    const more = sockets.length - MOST
    const found = sockets
      .slice(0, MOST)
      .map(({ state, recvQ, sendQ, localAddress, localPort, remoteAddress, remotePort, timer }) => [
        WORDS[state] ?? state,
        String(recvQ),
        String(sendQ),
        `${bracketed(localAddress)}:${localPort}`,
        `${state === 'LISTEN' ? bracketed(localAddress.includes(':') ? '::' : '0.0.0.0') : bracketed(remoteAddress)}:${remotePort || '*'}`,
        timer === null ? '' : timerText(timer),
      ])
    return more > 0 ? [...found, ['…', '', '', `${more} more`, '', '']] : found
  })
  const table = [['State', 'Recv-Q', 'Send-Q', 'Local Address:Port', 'Peer Address:Port', ''], ...rows]
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)))
  return table.map((row) =>
    row
      .map((cell, i) => (i === 1 || i === 2 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  )
}

/** Of a host; who wants to see thousands? */
const MOST = 24

/** As ss words them; it has hyphens where netstat has underscores. */
const WORDS: Readonly<Record<string, string>> = {
  ESTABLISHED: 'ESTAB',
  SYN_SENT: 'SYN-SENT',
  SYN_RECV: 'SYN-RECV',
  FIN_WAIT1: 'FIN-WAIT-1',
  FIN_WAIT2: 'FIN-WAIT-2',
  TIME_WAIT: 'TIME-WAIT',
  CLOSE: 'UNCONN',
  CLOSE_WAIT: 'CLOSE-WAIT',
  LAST_ACK: 'LAST-ACK',
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** `timer:(on,1.203ms,3)`: ss writes seconds with a fraction, and `ms` behind it. */
export function timerText({ name, left, count }: SocketTimer): string {
  return `timer:(${name},${timeText(Math.floor(left / 1000))},${count})`
}

/** iproute2: print_ms_timer. */
function timeText(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  const seconds = minutes > 9 ? 0 : Math.floor(ms / 1000) % 60
  const rest = minutes > 0 || seconds > 9 ? 0 : ms % 1000
  let text = minutes > 0 ? `${minutes}min` : ''
  if (seconds > 0) text += `${seconds}${rest > 0 ? '.' : 'sec'}`
  if (rest > 0) text += `${String(rest).padStart(3, '0')}ms`
  return text === '' ? '0ms' : text
}
