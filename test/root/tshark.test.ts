import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Namespace } from '../support/namespace.ts'
import { Program } from '../support/program.ts'

// What bare mode sends is what the world calls TCP: Wireshark takes it apart as such.

if (spawnSync('tshark', ['--version']).status !== 0) {
  throw new Error('tshark is not to be found: it judges here (package tshark, or wireshark-cli)')
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-tshark-'))
let namespace: Namespace

beforeAll(() => {
  namespace = new Namespace(`sluice-t-${process.pid}`)
})

afterAll(() => {
  namespace?.remove()
  rmSync(directory, { recursive: true })
})

async function capturing(file: string): Promise<ChildProcess> {
  const [command, ...args] = [...namespace.wrapper, 'tshark', '-i', 'lo', '-w', file, '-P', '-l', '-f', 'udp']
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  for await (const text of child.stderr as NodeJS.ReadableStream) if (String(text).includes('Capturing')) break
  return child
}

/** Fields of each datagram that fits `filter`, decoded as TCP inside UDP. */
function decode(file: string, port: number, filter: string, ...fields: string[]): string[][] {
  const args = ['-r', file, '-d', `udp.port==${port},tcp`, '-Y', filter, '-T', 'fields']
  for (const field of fields) args.push('-e', field)
  const text = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')]))
}

describe('tshark', () => {
  it('decodes the datagrams of bare mode as TCP, and finds none malformed', async () => {
    const file = join(directory, 'bare.pcapng')
    const capture = await capturing(file)
    const server = new Program('bare', { args: ['serve'], wrapper: namespace.wrapper })
    const port = Number(await server.said('port'))
    const client = new Program('bare', { args: ['send', port], wrapper: namespace.wrapper })
    expect(await client.said('received')).toBe('300000')
    await client.exited
    await server.said('over')
    await server.exited
    // What was captured is behind the program by some packets: when this one is there, they all are.
    namespace.run(
      process.execPath,
      '-e',
      "const s = dgram.createSocket('udp4'); s.send('.', 9, '127.0.0.1', () => s.close())",
    )
    for await (const text of capture.stdout as NodeJS.ReadableStream) if (/ 9 Len=1\b/.test(String(text))) break
    capture.kill('SIGINT')
    await once(capture, 'close')

    const all = decode(file, port, 'udp && udp.dstport != 9', 'frame.number')
    const tcp = decode(file, port, 'tcp', 'tcp.flags.str', 'tcp.len', 'tcp.options.mss_val', 'tcp.options.wscale.shift')
    expect(tcp.length).toBe(all.length)
    expect(decode(file, port, '_ws.malformed || tcp.option.len.invalid || tcp.hdr_len < 20', 'frame.number')).toEqual(
      [],
    )
    // The whole story: handshake with its options, data both ways, both FINs, and no RST.
    const [syn, synAck] = tcp
    expect(syn[0].replaceAll('·', '')).toBe('S')
    expect(synAck[0].replaceAll('·', '')).toBe('AS')
    for (const [, , mss, shift] of [syn, synAck]) {
      expect(Number(mss)).toBeGreaterThan(1400)
      expect(Number(shift)).toBe(7)
    }
    const bytes = tcp.reduce((sum, [, length]) => sum + Number(length), 0)
    expect(bytes).toBeGreaterThanOrEqual(600_000)
    expect(decode(file, port, 'tcp.flags.fin == 1', 'tcp.srcport').length).toBeGreaterThanOrEqual(2)
    expect(decode(file, port, 'tcp.flags.reset == 1', 'frame.number')).toEqual([])
    // It follows sequence numbers: with losses there are gaps, and SACK tells of them.
    expect(decode(file, port, 'tcp.options.sack_le', 'frame.number').length).toBeGreaterThan(0)
    expect(decode(file, port, 'tcp.options.timestamp.tsval', 'frame.number').length).toBe(tcp.length)
  })
})
