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
    const args = ['--quick', '--rounds', 2, '--only', 'ping', '--mtu', 1500, '--json', file]
    const command = new Command('bench/index.ts', args, { input: '' })
    expect(await command.status).toBe(0)

    // Each round begins with another transport.
    const turns = [...command.stderr.matchAll(/^\[\d\/8\] ping, round (\d) of 2, (.*)$/gm)].map(([, , label]) => label)
    const labels = ['node:net', 'sluice', 'sluice mtu 1500', 'udx-native']
    expect(turns).toEqual([...labels, ...labels.slice(1), labels[0]])

    const { results } = JSON.parse(await readFile(file, 'utf8'))
    expect(results.map(({ figure }: { figure: string }) => figure)).toEqual(['p50', 'p99'])
    for (const { transports, ratios } of results) {
      expect(Object.keys(transports)).toEqual(labels)
      for (const { samples, median, min, max } of Object.values<Record<string, number> & { samples: number[] }>(
        transports,
      )) {
        expect(samples).toHaveLength(2)
        expect(median).toBeCloseTo((samples[0] + samples[1]) / 2)
        expect(min).toBeGreaterThan(0)
        expect(max).toBeGreaterThanOrEqual(min)
      }
      expect(ratios['sluice / node:net']).toBeCloseTo(transports.sluice.median / transports['node:net'].median)
      expect(Object.keys(ratios)).toHaveLength(4)
    }
    expect(command.stdout.toString()).toMatch(/│ ping-pong, 64 bytes, p50 +│ less +│ +[\d.,]+ µs │/)
  })

  it.each(['bulk', 'connects', 'memory'])('measures %s', async (name) => {
    const command = new Command('bench/index.ts', [
      '--quick',
      '--rounds',
      1,
      '--only',
      name,
      '--transports',
      'sluice,udx',
    ])
    expect(await command.status).toBe(0)
    expect(command.stdout.toString()).not.toContain('failed')
    expect(command.stdout.toString()).toMatch(/│ sluice \/ udx-native │/)
  })

  it('refuses what it does not know', async () => {
    const command = new Command('bench/index.ts', ['--only', 'nonsense'])
    expect(await command.status).toBe(1)
    expect(command.stderr).toContain('nonsense is none of bulk, ping, connects, memory')
  })
})
