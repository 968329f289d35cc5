import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { experiments, runExperiment } from '../../src/lab/index.ts'

// The captures of the lab, judged by Wireshark. Nothing here takes root, but a program that is not everywhere.

if (spawnSync('tshark', ['--version']).status !== 0) {
  throw new Error('tshark is not to be found: it judges here (package tshark, or wireshark-cli)')
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-lab-root-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** How many packets: exactly so many, or at least. */
type Count = number | { readonly atLeast: number }
const some: Count = { atLeast: 1 }
const SYN = 'tcp.flags.syn == 1 && tcp.flags.ack == 0'
const SYN_ACK = 'tcp.flags.syn == 1 && tcp.flags.ack == 1'
const FIN = 'tcp.flags.fin == 1'
const RST = 'tcp.flags.reset == 1'
const AGAIN = 'tcp.analysis.retransmission'
const DSACK = 'tcp.options.sack.dsack_le'
const LOST = 'frame.interface_name == "dropped"'

/** What Wireshark is to find. The capture is the client's; of bulk transfers the one with the name given. */
const TABLE: readonly [experiment: string, filter: string, count: Count, part?: string][] = [
  ['handshake', `${SYN} && tcp.options.mss && tcp.options.sack_perm && tcp.options.timestamp && tcp.options.wscale`, 1],
  ['handshake', SYN_ACK, 1],
  ['simultaneous-open', SYN, 2],
  ['syn-timeout', SYN, 7],
  ['synack-retry', SYN_ACK, { atLeast: 6 }],
  ['syn-queue-overflow', `${SYN} && ip.src == 192.0.0.0/16`, 2000],
  ['accept-queue-overflow', SYN, 32],
  ['accept-queue-overflow', RST, { atLeast: 3 }],
  ['fast-open', 'tcp.options.tfo.cookie && tcp.len == 8', 2],
  ['rto-backoff', AGAIN, 16],
  ['fast-retransmit', 'tcp.analysis.fast_retransmission', some],
  ['fast-retransmit', 'tcp.analysis.duplicate_ack', { atLeast: 3 }],
  ['sack-holes', 'tcp.options.sack_le', { atLeast: 10 }],
  ['tail-loss', AGAIN, 1],
  ['rtt-estimators', DSACK, some],
  ['fack-marking', 'tcp.options.sack_le', { atLeast: 6 }],
  ['fack-marking', LOST, 8],
  ['rack-reordering', AGAIN, 0],
  ['rack-reordering', 'tcp.options.sack_le', { atLeast: 10 }],
  ['early-retransmit', AGAIN, 1],
  ['early-retransmit', 'tcp.options.sack_le', 2],
  ['spurious-rto', AGAIN, some],
  ['paws', 'tcp.analysis.duplicate_ack', some],
  ['seq-wrap', 'tcp.seq_raw > 4294900000', some],
  ['seq-wrap', 'tcp.seq_raw < 100000 && tcp.len > 0', some],
  ['zero-window', 'tcp.analysis.zero_window', { atLeast: 7 }],
  // Linux's probes, and so ours, are empty and lie below the window: Wireshark knows these as keep-alives.
  ['zero-window', 'tcp.analysis.keep_alive', { atLeast: 7 }],
  ['zero-window', AGAIN, 0],
  ['slow-reader', 'tcp.analysis.window_update', { atLeast: 10 }],
  ['nagle', 'tcp.dstport == 81 && tcp.len == 1', 25],
  ['nagle', 'tcp.dstport == 80 && tcp.len == 1', 1],
  ['delayed-ack', 'tcp.analysis.ack_rtt >= 0.04', some],
  ['window-scaling', 'tcp.options.wscale', 0, '0'],
  ['window-scaling', 'tcp.window_size > 1000000', some, '1'],
  ['buffer-autotune', 'tcp.window_size > 1000000', some, '100-MB-s'],
  ['buffer-autotune', 'tcp.window_size > 200000', 0, 'by-hand'],
  ['four-way-close', FIN, 2],
  ['four-way-close', 'tcp', 7],
  ['three-segment-close', 'tcp', 6],
  ['half-close', 'tcp.srcport == 80 && tcp.len == 1000', 8],
  ['close-wait', FIN, 2],
  ['shutdown-read', `${RST} || ${FIN}`, 0],
  ['simultaneous-close', FIN, 2],
  ['linger-rst', RST, 2],
  ['fin-wait2-timeout', 'tcp.srcport == 8060 && tcp.flags.fin == 0 && tcp.flags.syn == 0', some],
  ['fin-wait1', AGAIN, 9],
  ['orphans', RST, 2],
  ['time-wait', `${FIN} && tcp.srcport == 80`, 2],
  ['time-wait-overflow', FIN, 40],
  ['tw-reuse', SYN, 100],
  ['old-duplicate', LOST, 1],
  ['crash', `${RST} && !(${LOST})`, 1],
  ['slow-start', 'tcp.len > 0', 400],
  ['slow-start', AGAIN, 0],
  ['initial-window', AGAIN, 0],
  ['idle-restart', AGAIN, 2],
  ['app-limited', AGAIN, 0],
  ['recovery-states', 'tcp.options.sack_le', some],
  ['lossy-bulk', 'tcp.analysis.fast_retransmission', some, 'cubic'],
  ['bufferbloat', AGAIN, some, 'cubic'],
  ['bufferbloat', AGAIN, 0, 'bbr'],
]

const made = new Map<string, Promise<unknown>>()

/** Runs it once, for all of its rows. */
function captured(name: string): Promise<unknown> {
  const known = made.get(name)
  if (known !== undefined) return known
  const experiment = experiments.find((one) => one.name === name)
  if (experiment === undefined) throw new Error(`there is no experiment ${name}`)
  const run = runExperiment(experiment, { out: directory })
  made.set(name, run)
  return run
}

it.each(TABLE)('%s: %s', async (name, filter, count, part) => {
  await captured(name)
  const file = join(directory, `${name}${part === undefined ? '' : `-${part}`}.pcapng`)
  const text = execFileSync('tshark', ['-r', file, '-Y', filter, '-T', 'fields', '-e', 'frame.number'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  })
  const found = text.split('\n').length - 1
  if (typeof count === 'number') expect(found).toBe(count)
  else expect(found).toBeGreaterThanOrEqual(count.atLeast)
})
