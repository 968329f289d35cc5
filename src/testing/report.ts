import type { Network } from './network.ts'

/** What is not said of a host in a report: it says how much went, not what went wrong. */
const QUIET = new Set(['RtoAlgorithm', 'RtoMin', 'RtoMax', 'MaxConn'])

/** Everything that helps to see what happened, and to make it happen again. */
export function report(network: Network): string {
  const { segments, lost, lostBy, retransmitted } = network.statistics()
  const causes = Object.entries(lostBy).map(([by, count]) => `${count} by ${by}`)
  const lines = [
    `sluice network: seed ${network.seed} (SLUICE_SEED=${network.seed} replays), ${network.time} time ${(network.nowUs / 1e6).toFixed(6)} s`,
    `  ${segments} segments, ${retransmitted} sent again, ${lost} lost${lost > 0 ? ` (${causes.join(', ')})` : ''}`,
  ]
  for (const host of network.hosts) {
    lines.push(`  host ${host.name} ${host.addresses.join(' ')}`)
    const moved = Object.entries(host.counters()).filter(([name, count]) => count !== 0 && !QUIET.has(name))
    if (moved.length > 0) lines.push(`    ${moved.map(([name, count]) => `${name} ${count}`).join(', ')}`)
    for (const socket of host.sockets()) {
      const { state, recvQ, sendQ, localAddress, localPort, remoteAddress, remotePort, info } = socket
      const more = info === null ? '' : ` cwnd ${info.snd_cwnd} rtt ${info.rtt / 1000} ms retrans ${info.total_retrans}`
      lines.push(
        `    ${state} recv-q ${recvQ} send-q ${sendQ} ${localAddress}:${localPort} ${remoteAddress}:${remotePort || '*'}${more}`,
      )
    }
  }
  const trace = network.trace()
  if (trace !== '')
    lines.push(
      '  last segments:',
      ...trace
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    )
  return lines.join('\n')
}
