import dgram from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PingHost, type PingReport } from '../../src/cli/ping-host.ts'
import { Command } from '../support/command.ts'
import { listen, newStack } from '../support/stacks.ts'

const HOST = '127.0.0.1'

/** A UDP socket that answers everything by `answer`. */
async function responder(answer?: Buffer): Promise<number> {
  const socket = dgram.createSocket('udp4')
  onTestFinished(() => {
    socket.close()
  })
  socket.on('message', (_, { port, address }) => {
    if (answer !== undefined) socket.send(answer, port, address)
  })
  socket.bind(0, HOST)
  await once(socket, 'listening')
  return socket.address().port
}

/** A UDP port that nobody has just now. */
async function freePort(): Promise<number> {
  const { server, port } = await listen(newStack().net)
  server.close()
  await once(server, 'close')
  return port
}

/** Waits are short: nobody who answers at all takes long, and who is silent is silent. */
const ping = (port: number, udpPort = port, count = 3): Promise<PingReport> =>
  new PingHost({ address: HOST, family: 4, port, udpPort }, () => {}).run(count, 20, 200)

describe('a ping', () => {
  it('finds sluice, what it offers and how far it is, and leaves nothing there', async () => {
    const stack = newStack({ mtu: 1400 })
    const { server, port } = await listen(stack.net)
    let accepted = 0
    server.on('connection', () => accepted++)
    const report = await ping(port)
    expect(report).toMatchObject({
      ...{ verdict: 'sluice', version: 1, open: true, sent: 3, mss: 1348, mtu: 1400 },
      ...{ timestamps: true, sack: true, checksumOffload: true, windowScale: expect.any(Number) },
    })
    expect(report.rtts.filter((rtt) => rtt !== null)).toHaveLength(3)
    // The reset has passed when a later connection was accepted.
    const client = newStack().net.connect(port, HOST)
    await once(server, 'connection')
    client.destroy()
    expect(accepted).toBe(1)
    expect(stack.sockets().filter(({ state }) => state === 'SYN_RECV')).toEqual([])
    expect(stack.counters()).toMatchObject({ PathProbesAnswered: 3, PassiveOpens: 1 })
  })

  it('tells a closed TCP port behind an open tunnel', async () => {
    const udpPort = await freePort()
    const stack = newStack({ tunnel: { port: udpPort, host: HOST } })
    await listen(stack.net, undefined, { port: 7 })
    expect(await ping(7, udpPort)).toMatchObject({ verdict: 'sluice', open: true })
    expect(await ping(8, udpPort)).toMatchObject({ verdict: 'sluice', version: 1, open: false, mss: null })
  })

  it('tells what answers and is no sluice, another version, nobody, and silence', async () => {
    expect(await ping(await responder(Buffer.from('who is there?')))).toMatchObject({
      verdict: 'not-sluice',
      open: null,
    })
    const newer = Buffer.from([0x0a, 0x20, 0, 0])
    expect(await ping(await responder(newer))).toMatchObject({ verdict: 'sluice', version: 2, open: null })
    expect(await ping(await responder())).toMatchObject({ verdict: 'silent', sent: 3, rtts: [null, null, null] })
    expect(await ping(await freePort())).toMatchObject({ verdict: 'refused', open: null })
  })
})

describe('sluice ping', () => {
  const run = (...args: string[]): Command =>
    new Command('src/cli/index.ts', ['ping', '-i', '0.1', '-W', '0.2', ...args])

  it('says it in words or as JSON, and by its status', async () => {
    const { server, port } = await listen(newStack().net)
    expect((server.address() as AddressInfo).port).toBe(port)
    const words = run('-c', '2', `${HOST}:${port}`)
    const json = run('--json', '-c', '1', `localhost:${port}`, '-4')
    const odd = run('nonsense')
    const other = run('-c', '1', `${HOST}:${await responder(Buffer.from('?'))}`)
    const silent = run('-c', '1', `${HOST}:${await responder()}`)
    expect(await words.status).toBe(0)
    expect(words.stdout.toString()).toMatch(
      new RegExp(
        `^sluice ping ${HOST} \\(${HOST}\\), UDP port ${port}\nprobe 1: [\\d.]+ ms\nprobe 2: [\\d.]+ ms\nspeaks sluice, version 1\n` +
          `TCP port ${port} is open, MSS \\d+ \\(MTU \\d+\\)\noffers timestamps, SACK, window scale \\d+, checksum offload\n` +
          '2 probes, 2 answered, 0 % lost; round trip .* ms \\(least/mean/most\\)\n$',
      ),
    )
    expect(await json.status).toBe(0)
    expect(JSON.parse(json.stdout.toString())).toMatchObject({
      host: 'localhost',
      address: HOST,
      verdict: 'sluice',
      open: true,
    })
    expect(await odd.status).toBe(2)
    expect(odd.stderr).toContain("'nonsense' is no HOST:PORT")
    expect(await other.status).toBe(3)
    expect(await silent.status).toBe(4)
    expect(silent.stdout.toString()).toContain('silence: nobody answers')
  })
})
