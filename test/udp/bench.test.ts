import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Command } from '../support/command.ts'

describe('npm run bench', () => {
  it('measures all transports by turns, and prints medians, ratios and JSON', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'bench.json')
    const args = [
      '--quick',
      '--rounds',
      2,
      '--only',
      'ping',
      '--transports',
      'net,sluice,udx',
      '--sluice',
      'mtu=1500',
      '--json',
      file,
    ]
    const command = new Command('bench/index.ts', args, { input: '' })
    expect(await command.status).toBe(0)

    // Each round begins with another transport.
    const turns = [...command.stderr.matchAll(/^\[\d\/8\] ping, round \d of 2, (.*)$/gm)].map(([, label]) => label)
    const labels = ['net', 'sluice', 'udx', 'sluice mtu 1500']
    expect(turns).toEqual([...labels, ...labels.slice(1), labels[0]])

    const { results, verdicts } = JSON.parse(await readFile(file, 'utf8'))
    expect(results.map(({ name }: { name: string }) => name)).toEqual(['p50', 'p99'])
    for (const { values } of results) {
      expect(values.map(({ kind, setting }: Record<string, string>) => `${kind} ${setting}`.trim())).toEqual(labels)
      for (const { samples, median, min, max } of values) {
        expect(samples).toHaveLength(2)
        expect(median).toBeCloseTo((samples[0] + samples[1]) / 2)
        expect(min).toBeGreaterThan(0)
        expect(max).toBeGreaterThanOrEqual(min)
      }
    }
    const [net, sluice] = results[0].values
    expect(verdicts[0].ratios.net).toBeCloseTo(sluice.median / net.median)
    expect(command.stdout.toString()).toMatch(/│ ping-pong, 64 bytes, p50 +│ +[\d.,]+ µs │/)
  })

  it.each(['bulk:1', 'writes', 'connects', 'memory:1000'])('measures %s', async (name) => {
    const args = ['--quick', '--rounds', 1, '--only', name, '--transports', 'sluice,udx']
    const command = new Command('bench/index.ts', args, { input: '' })
    expect(await command.status).toBe(0)
    expect(command.stdout.toString()).not.toContain('failed')
    expect(command.stdout.toString()).toMatch(/│ sluice \/ udx │/)
  })

  it('refuses what it does not know', async () => {
    const command = new Command('bench/index.ts', ['--only', 'nonsense'])
    expect(await command.status).toBe(1)
    expect(command.stderr).toContain('nonsense is none of bulk, ')
  })
})
