import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Command } from '../support/command.ts'

/** The demo, with a directory of its own for temporary files. */
async function demo(...args: string[]): Promise<{ command: Command; temporary: string }> {
  const temporary = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  onTestFinished(() => rm(temporary, { recursive: true, force: true }))
  return { command: new Command('examples/demo.ts', args, { env: { TMPDIR: temporary }, input: '' }), temporary }
}

/** What the demo left there; tsx keeps its cache there too. */
async function leftovers(temporary: string): Promise<string[]> {
  return (await readdir(temporary)).filter((name) => name.startsWith('sluice'))
}

/** The cells of a row of the last table. */
function row(text: string, name: string): string[] {
  const line = text.split('\n').findLast((line) => line.startsWith(`│ ${name} `))
  return (line ?? '')
    .split('│')
    .slice(2, -1)
    .map((cell) => cell.trim())
}

/** The first number in a cell. */
const number = (text: string): number => Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', ''))

describe('npm run demo', () => {
  it('fetches a file across a bad path, verifies it, and tells what a plain copy would have lost', async () => {
    const { command, temporary } = await demo('--size', '300K', '--loss', '10%', '--delay', '2ms', '--seed', '5')
    expect(await command.status).toBe(0)
    const text = command.stdout.toString()
    expect(text).toContain(
      '300 KiB over HTTP over sluice, from process to process: 10.0 % loss in each direction, 4 ms round trip, 100mbit',
    )
    expect(text).toMatch(/^bbr 100% {2}300 KiB of 300 KiB .*RTT .* ms {2}cwnd \d+ {2}\d+ sent again/m)
    expect(row(text, 'SHA-256')).toEqual(['equal', 'differs'])
    for (const control of ['bbr', 'cubic']) expect(row(text, control).at(-1)).toBe('equal')
    const [lost, lostPlain] = row(text, 'lost on the way').map(number)
    expect(lost).toBeGreaterThan(0)
    expect(lostPlain).toBeGreaterThan(0)
    const [sent, sentPlain] = row(text, 'packets sent').map(number)
    expect(lostPlain).toBe(Math.round((lost / sent) * sentPlain))
    expect(number(row(text, 'segments sent again')[0])).toBeGreaterThan(0)
    expect(await leftovers(temporary)).toEqual([])
  })

  it('puts its throughput beside that of node:net where nothing is in the way', async () => {
    const { command, temporary } = await demo('--no-impair', '--size', '2M')
    expect(await command.status).toBe(0)
    const text = command.stdout.toString()
    expect(row(text, 'SHA-256')).toEqual(['equal', 'equal', ''])
    const [sluice, kernel, ratio] = row(text, 'median')
    expect(sluice).toMatch(/^[\d.]+ [KMG]iB\/s$/)
    expect(kernel).toMatch(/^[\d.]+ [KMG]iB\/s$/)
    expect(Number(ratio)).toBeGreaterThan(0)
    expect(await leftovers(temporary)).toEqual([])
  })

  it('takes a file of yours, and leaves it alone', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'mine')
    await writeFile(file, randomBytes(20_000))
    const { command } = await demo('--file', file, '--loss', '0', '--delay', '1ms')
    expect(await command.status).toBe(0)
    expect(command.stdout.toString()).toContain('19.5 KiB over HTTP')
    expect(await readdir(directory)).toEqual(['mine'])
  })

  it.each([
    [['--loss', '5'], '--loss 5: expected less than 100%, such as 5% or 0.05\n'],
    [['--delay', 'long'], '--delay long: expected 20ms or 0.1s\n'],
    [['--rate', 'fast'], '--rate fast: expected 100mbit, 1gbit or 56kbit\n'],
    [['--size', 'big'], '--size big: expected 4M, 256M or 1G\n'],
    [['--file', '/nowhere/at/all'], "ENOENT: no such file or directory, open '/nowhere/at/all'\n"],
  ])('refuses %j', async (args, message) => {
    const { command, temporary } = await demo(...args)
    expect(await command.status).toBe(1)
    expect(command.stderr).toBe(message)
    expect(await leftovers(temporary)).toEqual([])
  })

  it('leaves nothing behind when it is interrupted', async () => {
    const { command, temporary } = await demo('--delay', '500ms')
    await command.prints(/over HTTP/)
    command.kill('SIGINT')
    // `status` waits for both outputs to be closed, and the serving process holds them too while it lives.
    expect(await command.status).toBe(130)
    expect(await leftovers(temporary)).toEqual([])
  })
})
