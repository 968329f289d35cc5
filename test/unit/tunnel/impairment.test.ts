import { describe, expect, it } from 'vitest'
import { Impairment, type ImpairSpec } from '../../../src/impair/index.ts'
import { hasPagedDatagrams } from '../../../src/tunnel/budget.ts'
import type { Path } from '../../../src/tunnel/index.ts'
import { FakeNetwork } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

const CLIENT = '10.0.0.1'
const SERVER = '10.0.9.9'

/** Two hosts of one process on one network. */
async function connected(clientSpec: ImpairSpec | null, serverSpec: ImpairSpec | null = null) {
  const net = new FakeNetwork(CLIENT, SERVER)
  const [client, server] = [clientSpec, serverSpec].map(
    (spec) => new TestHost({ dgram: net.module, interfaces: () => ({}), impair: Impairment.parse(spec) }),
  )
  for (const host of [client, server]) host.virtualUs = 0
  server.listen(SERVER, 80)
  const path = client.open(SERVER, 80, { localAddress: CLIENT })
  /** Moves both clocks, and lets everything due happen. */
  const at = async (us: number): Promise<void> => {
    for (const host of [client, server]) {
      host.virtualUs = us
      if (us >= host.tunnel.deadline) host.tunnel.deadlinePassed(us)
      host.flush()
    }
    await turns(2)
  }
  return { net, client, server, path, at }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `segment ${i}`)

describe('impairment', () => {
  it('acts on segments one by one, however they are packed', async () => {
    const { net, client, server, path } = await connected({ loss: 0.5, seed: 3 })
    client.send(path, ...numbered(200))
    await turns(2)
    expect(net.sent.length).toBeLessThan(5)
    expect(server.texts.length).toBeGreaterThan(60)
    expect(server.texts.length).toBeLessThan(140)
    expect(server.texts).toEqual(numbered(200).filter((text) => server.texts.includes(text)))
  })

  it('delays what leaves until the deadline', async () => {
    const { client, server, path, at } = await connected({ out: { delay: 40 } })
    client.send(path, 'hello')
    await turns(2)
    expect(server.texts).toEqual([])
    expect(client.tunnel.deadline).toBe(40_000)
    await at(39_999)
    expect(server.texts).toEqual([])
    await at(40_000)
    expect(server.texts).toEqual(['hello'])
  })

  it('delays what arrives', async () => {
    const { client, server, path, at } = await connected({ in: { delay: 40 } })
    client.send(path, 'hello')
    await turns(2)
    server.send(server.heard[0].path, 'answer')
    await turns(2)
    expect(client.texts).toEqual([])
    await at(40_000)
    expect(client.texts).toEqual(['answer'])
  })

  it('between two ends in one process happens once, at the sender', async () => {
    const spec = { delay: 40 }
    const { client, server, path, at } = await connected(spec, spec)
    client.send(path, 'hello')
    await at(40_000)
    expect(server.texts).toEqual(['hello'])
    server.send(server.heard[0].path, 'answer')
    await at(80_000)
    expect(client.texts).toEqual(['answer'])
  })

  it('happens at the receiver where the sender impairs something else only', async () => {
    const { client, server, path, at } = await connected({ in: { delay: 10 } }, { in: { delay: 40 } })
    client.send(path, 'hello')
    await turns(2)
    expect(server.texts).toEqual([])
    await at(40_000)
    expect(server.texts).toEqual(['hello'])
  })

  it('is for the destinations that the spec names', async () => {
    const { client, server, path } = await connected({ loss: 1, to: '10.0.8.8' })
    client.send(path, 'hello')
    await turns(2)
    expect(server.texts).toEqual(['hello'])
  })

  it('gives the same segments the same fate in every run', async () => {
    const runs: string[][] = []
    for (let run = 0; run < 2; run++) {
      const { client, server, path } = await connected({ loss: 0.3, duplicate: 0.2, seed: 7 })
      client.send(path, ...numbered(100))
      await turns(2)
      runs.push(server.texts)
    }
    expect(runs[0]).toEqual(runs[1])
    expect(runs[0]).not.toEqual(numbered(100))
  })

  it('begins and ends while paths are open, and what is held leaves in time', async () => {
    const { client, server, path, at } = await connected(null)
    client.tunnel.setImpair(Impairment.parse({ delay: 40 }))
    client.send(path, 'held')
    client.tunnel.setImpair(null)
    client.send(path, 'free')
    await turns(2)
    expect(server.texts).toEqual(['free'])
    await at(40_000)
    expect(server.texts).toEqual(['free', 'held'])
    // Nothing is left but the path's keepalive.
    expect(client.tunnel.deadline).toBe(20_000_000)
    client.send(path, 'plain')
    await turns(2)
    expect(server.texts.at(-1)).toBe('plain')
  })

  it('makes segments of 1500 of the large ones of loopback, and back', async () => {
    const net = new FakeNetwork(CLIENT)
    const host = new TestHost({ dgram: net.module, interfaces: net.interfaces })
    const path = host.open(CLIENT, 80)
    const large = hasPagedDatagrams ? 65_503 : 32_252
    expect(path.maxSegment).toBe(large)
    host.tunnel.setImpair(Impairment.parse({ delay: 1 }))
    expect(path.maxSegment).toBe(1468)
    host.tunnel.setImpair(null)
    expect(host.heard[0].calls).toEqual(['maxSegment 1468', `maxSegment ${large}`])
  })

  it('keeps a path open while it holds segments of it', async () => {
    const { net, client, server, path, at } = await connected({ delay: 40 })
    client.send(path, 'FIN')
    path.release()
    await turns(2)
    expect(net.open).toBe(2)
    await at(40_000)
    expect(server.texts).toEqual(['FIN'])
    await at(40_001)
    expect(net.open).toBe(1)
  })

  it('at process exit everything leaves at once', async () => {
    const { client, server, path } = await connected({ delay: 40 })
    client.send(path, 'held')
    client.write(path, 'FIN')
    client.tunnel.flushSync()
    await turns(2)
    expect(server.texts).toEqual(['held', 'FIN'])
  })

  it('sends more than one batch holds', async () => {
    const { client, server, path } = await connected({ duplicate: 1 })
    const large = (i: number): Buffer => Buffer.alloc(1400, i)
    const write = (to: Path): void => client.send(to, ...Array.from({ length: 300 }, (_, i) => large(i)))
    write(path)
    await turns(4)
    const { segments } = server.heard[0]
    expect(segments).toHaveLength(600)
    for (const [i, segment] of segments.entries()) expect(segment.equals(large(i >> 1))).toBe(true)
  })
})
