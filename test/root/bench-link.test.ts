import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseCells } from '../../bench/link/cells.ts'
import { Emulator } from '../../bench/link/emulator.ts'
import { Namespaces } from '../../bench/link/namespaces.ts'
import type { Transfer } from '../../bench/link/transfer.ts'
import { Command } from '../support/command.ts'

/** Of this run; others may be under way. */
const namespaces = ({ pid }: Command): string[] =>
  readdirSync('/var/run/netns').filter((name) => name.startsWith(`sluice-link-${pid}-`))

/** Whether a process runs in it. */
function isUsed(namespace: string): boolean {
  return spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).stdout !== ''
}

describe('npm run bench:link', () => {
  it('compares over the same link, prints tables and JSON, and leaves nothing behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const file = join(directory, 'link.json')
    const args = ['--compare', 'sluice:reno/kernel:reno,sluice:reno/udx', '--rate', 20, '--rtts', 10, '--losses', 1]
    args.push('--buffers', '1m', '--seconds', 1, '--seeds', 1, '--sample', 200, '--trace', directory, '--json', file)
    const command = new Command('bench/link/index.ts', args, { input: '' })
    expect(await command.status).toBe(0)
    expect(namespaces(command)).toEqual([])
    expect(command.stdout.toString()).toMatch(
      /│ 20 Mbit\/s, 10 ms, 1 % +│ +[\d.]+ ± 0\.00 Mbit\/s │ +[\d.]+ ± 0\.00 Mbit\/s │/,
    )
    // Whoever is compared with two runs once.
    expect(command.stderr.match(/^\[\d\/3/gm)).toHaveLength(3)

    const { compared, runs } = JSON.parse(readFileSync(file, 'utf8'))
    expect(compared).toHaveLength(2)
    for (const { cells, geometricMean } of compared) expect(geometricMean).toBeCloseTo(cells[0].ratio)
    const [{ transfers }] = runs[0].runs
    expect(Object.keys(transfers).sort()).toEqual(['kernel:reno', 'sluice:reno', 'udx'])
    for (const { flows, link, queueing } of Object.values<Transfer>(transfers)) {
      const [{ goodput, received, sent }] = flows
      expect(goodput).toBeGreaterThan(0.1)
      expect(goodput).toBeLessThan(20)
      expect(received.perSecond).toEqual([received.bytes])
      expect(sent.samples.length).toBeGreaterThan(1)
      expect(link.ab.fwd * 1500).toBeGreaterThan(received.bytes)
      // A thousand packets are 600 ms at this rate.
      expect(queueing).toBeGreaterThanOrEqual(0)
      expect(queueing).toBeLessThan(1200)
    }
    expect(readFileSync(join(directory, '20-10-1-1-reno-1-send.log'), 'utf8')).toMatch(
      /^[\d.]+ sent seq=\d+ len=1436 /m,
    )
  })

  it('tells how flows share a link', async () => {
    const args = ['--share', 'sluice:reno+kernel:reno', '--cells', '20/10/0', '--seconds', 2, '--seeds', 1]
    const command = new Command('bench/link/index.ts', args, { input: '' })
    expect(await command.status).toBe(0)
    expect(namespaces(command)).toEqual([])
    const [, ours, theirs] = /│ 20 Mbit\/s, 10 ms, 0 % +│ +(\d+) % .* │ +(\d+) % /.exec(command.stdout.toString()) ?? []
    expect(Math.abs(Number(ours) + Number(theirs) - 100)).toBeLessThanOrEqual(1)
  })

  it('cleans up when it is interrupted', async () => {
    const args = ['--cells', '20/10/0', '--compare', 'sluice:reno']
    const command = new Command('bench/link/index.ts', args, { input: '' })
    while (!namespaces(command).some(isUsed)) await new Promise((resolve) => setImmediate(resolve))
    command.kill('SIGINT')
    expect(await command.status).toBe(130)
    expect(namespaces(command)).toEqual([])
  })

  it.each([
    [['--compare', 'kernel:nonsense'], /^bench:link cannot run: this kernel has no nonsense, it has .*reno/],
    [['--compare', 'sluice:nonsense'], /sluice has no nonsense, it has reno, /],
    [['--compare', 'nonsense'], /expected kernel:NAME, sluice:NAME or udx, not 'nonsense'/],
    [['--share', 'udx'], /as in sluice:bbr\+sluice:bbr, not 'udx'/],
    [['--share', 'kernel:reno+kernel:cubic'], /the kernel's flows must have the same congestion control/],
    [['--cells', '100/20'], /as in 100\/20\/0\.1, not '100\/20'/],
    [['--buffers', '10x'], /expected 'kernel' or bytes, as in 32m/],
  ])('says what it lacks, and what it does not know: %s', async (args, said) => {
    const command = new Command('bench/link/index.ts', args, { input: '' })
    expect(await command.status).toBe(1)
    expect(command.stderr).toMatch(said)
  })
})

describe('the link emulator', () => {
  it('decides on a packet by seed, direction and number alone', async () => {
    const emulator = new Emulator(undefined)
    onTestFinished(() => emulator.remove())
    const [first, again, other] = [
      await arrivals(emulator, 1, 0),
      await arrivals(emulator, 1, 1),
      await arrivals(emulator, 2, 0),
    ]
    expect(first.length).toBeGreaterThan(200)
    expect(first.length).toBeLessThan(300)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })
})

/** Sends 300 datagrams, a number each, from the sender's namespace, waiting `pause` ms after every tenth; resolves with the numbers that came. */
async function arrivals(emulator: Emulator, seed: number, pause: number): Promise<number[]> {
  const made = new Namespaces()
  onTestFinished(() => made.remove())
  const link = emulator.start(made, parseCells('100/2/20')[0], 1000, seed)
  onTestFinished(() => link.kill())
  await link.ready
  const receiver = script(
    made.receiver,
    `const got = []
     const socket = require('node:dgram').createSocket('udp4').bind(5000, () => process.send('bound'))
     socket.on('message', (m) => {
       const n = m.readUInt16BE()
       if (n < 300) got.push(n)
       else if (socket.listenerCount('message') > 0) { process.send(got); socket.removeAllListeners('message'); socket.close(); process.disconnect() }
     })`,
  )
  await message(receiver)
  const sender = script(
    made.sender,
    `const socket = require('node:dgram').createSocket('udp4')
     const message = Buffer.alloc(2)
     let n = 0
     socket.connect(5000, '10.99.0.2', function next() {
       message.writeUInt16BE(Math.min(n, 300))
       socket.send(message, () => (++n % 10 === 0 && ${pause} > 0 ? setTimeout(next, ${pause}) : next()))
     })
     socket.on('error', () => {})`,
  )
  onTestFinished(() => void sender.kill('SIGKILL'))
  const got = (await message(receiver)) as number[]
  sender.kill('SIGKILL')
  await link.stop()
  made.remove()
  return got
}

function script(namespace: string, source: string): ChildProcess {
  return spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', source], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

const message = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('message', resolve))
