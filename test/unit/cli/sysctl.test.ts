import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ExitStatus } from '../../../src/cli/exit-status.ts'
import { run } from '../../../src/cli/program.ts'
import { Mib, mibGroups } from '../../../src/stack/mib.ts'
import { sysctlNames } from '../../../src/stack/sysctl.ts'
import { captureOutput } from '../../support/output.ts'

const output = captureOutput()
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-'))
  vi.stubEnv('SLUICE_SYSCTL', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  process.exitCode = undefined
  rmSync(folder, { recursive: true })
})

const file = (text: string): string => {
  const name = path.join(folder, 'file')
  writeFileSync(name, text)
  return name
}

/** Runs `sluice …` and gives its status. */
const sluice = async (...args: string[]): Promise<number> => {
  process.exitCode = undefined
  return run(args)
}

describe('sluice sysctl', () => {
  it('-a prints every parameter as sysctl(8) does', async () => {
    expect(await sluice('sysctl', '-a')).toBe(ExitStatus.Ok)
    const lines = output.out.trimEnd().split('\n')
    expect(lines.length).toBe(sysctlNames.length)
    expect(lines).toContain('net.ipv4.tcp_rmem = 4096\t131072\t6291456')
    expect(lines).toContain('net.core.somaxconn = 4096')
    expect(lines).toContain('net.ipv4.tcp_syncookies = 1')
    expect(lines.every((line) => /^net\.(ipv4|core|sluice)\.\w+ = (\S+([\t ]\S+)*)?$/.test(line))).toBe(true)
    expect(lines).toEqual([...lines].sort())
  })

  it('-r prints what matches only, -b a value without a line end, and a line with - may name what there is not', async () => {
    expect(await sluice('sysctl', '-a', '-r', 'rmem|somaxconn')).toBe(ExitStatus.Ok)
    expect(output.out).toBe('net.core.somaxconn = 4096\nnet.ipv4.tcp_rmem = 4096\t131072\t6291456\n')
    output.out = ''
    expect(await sluice('sysctl', '-b', 'tcp_sack')).toBe(ExitStatus.Ok)
    expect(output.out).toBe('1')
    output.out = ''
    expect(await sluice('sysctl', '-p', file('-net.ipv4.nothing = 1\ntcp_sack = 0\n'))).toBe(ExitStatus.Ok)
    expect(output.out).toBe('net.ipv4.tcp_sack = 0\n')
  })

  it('prints what is named, with or without prefix, and -n the value alone', async () => {
    expect(await sluice('sysctl', 'tcp_retries2', 'net.core.somaxconn')).toBe(ExitStatus.Ok)
    expect(output.out).toBe('net.ipv4.tcp_retries2 = 15\nnet.core.somaxconn = 4096\n')
    output.out = ''
    await sluice('sysctl', '-n', 'tcp_retries2')
    expect(output.out).toBe('15\n')
    output.out = ''
    await sluice('sysctl', '-N', 'tcp_retries2')
    expect(output.out).toBe('net.ipv4.tcp_retries2\n')
  })

  it('sets, after the environment and files, and prints what it set', async () => {
    vi.stubEnv('SLUICE_SYSCTL', 'tcp_retries2=7 tcp_sack=0')
    const name = file('# comment\nnet.ipv4.tcp_retries2 = 8\ntcp_wmem = 4096 8192 16384\n')
    expect(await sluice('sysctl', '-p', name, '-w', 'tcp_fin_timeout=9')).toBe(ExitStatus.Ok)
    expect(output.out).toBe(
      'net.ipv4.tcp_retries2 = 8\nnet.ipv4.tcp_wmem = 4096\t8192\t16384\nnet.ipv4.tcp_fin_timeout = 9\n',
    )
    output.out = ''
    await sluice('sysctl', 'tcp_sack', '-q', 'tcp_retries2=3')
    expect(output.out).toBe('net.ipv4.tcp_sack = 0\n')
  })

  it.each([
    ['an unknown name', ['tcp_rmen'], 'tcp_rmen: there is no such parameter'],
    ['a bad value', ['tcp_retries2=300'], 'tcp_retries2 = "300": must be an integer from 0 to 255'],
    ['one that is gone', ['net.ipv4.tcp_tw_recycle=1'], 'removed from Linux 4.12'],
    ['-w without a value', ['-w', 'tcp_sack'], '"tcp_sack" must be of the form name=value'],
    ['a file that is not there', ['-p', '/nowhere'], 'ENOENT'],
    ['nothing', [], 'name a parameter'],
  ])('says what is wrong with %s, and prints nothing else', async (_, args, message) => {
    expect(await sluice('sysctl', ...args, ...(args.length > 0 ? ['tcp_fin_timeout=9'] : []))).toBe(ExitStatus.Failed)
    expect(output.err).toContain(message)
    expect(output.out).toBe('')
  })

  it('-e passes over what there is not', async () => {
    expect(await sluice('sysctl', '-e', 'tcp_rmen=1', 'tcp_sack=0')).toBe(ExitStatus.Ok)
    expect(output.out).toBe('net.ipv4.tcp_sack = 0\n')
  })

  it('--json tells everything about each', async () => {
    expect(await sluice('sysctl', '--json', 'tcp_retries2=8')).toBe(ExitStatus.Ok)
    expect(JSON.parse(output.out)).toEqual([
      {
        name: 'net.ipv4.tcp_retries2',
        value: 8,
        default: 15,
        unit: '',
        range: 'an integer from 0 to 255',
        scope: 'connection',
        meaning: expect.stringMatching(/./),
        source: 'rfc9293#3.8.3',
      },
    ])
  })
})

describe('sluice netstat', () => {
  it('-s words the counters as netstat does: zeros of TcpExt are left out, those of Tcp are not', async () => {
    const counters = { ActiveOpens: 3, ListenOverflows: 2, TCPSynRetrans: 7, DelayedACKLost: 0, UdpInDatagrams: 9 }
    expect(await sluice('netstat', '-s', file(JSON.stringify(counters)))).toBe(ExitStatus.Ok)
    expect(output.out).toBe(`Tcp:
    3 active connection openings
    0 passive connection openings
    0 failed connection attempts
    0 connection resets received
    0 connections established
    0 segments received
    0 segments sent out
    0 segments retransmitted
    0 bad segments received
    0 resets sent
TcpExt:
    2 times the listen queue of a socket overflowed
    TCPSynRetrans: 7
Sluice:
    UdpInDatagrams: 9
`)
  })

  it('--json groups them', async () => {
    const counters = new Mib().toObject()
    counters.TCPTimeouts = 3
    await sluice('netstat', '-s', '--json', file(JSON.stringify(counters)))
    const groups = JSON.parse(output.out)
    expect(Object.keys(groups)).toEqual(['Tcp', 'TcpExt', 'Sluice'])
    expect(groups.TcpExt.TCPTimeouts).toBe(3)
    expect(Object.keys(groups.TcpExt)).toEqual([...mibGroups.TcpExt])
  })

  it.each([
    ['what is no JSON', '{', /JSON|property name/],
    ['what holds no counters', '[1]', /holds no counters/],
    ['what is no number', '{"TW":"many"}', /TW is no number/],
  ])('refuses %s', async (_, text, message) => {
    expect(await sluice('netstat', '-s', file(text))).toBe(ExitStatus.Failed)
    expect(output.err).toMatch(message)
    expect(output.out).toBe('')
  })
})
