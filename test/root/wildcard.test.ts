import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cable, Namespace } from '../support/namespace.ts'
import { Program } from '../support/program.ts'

// A machine with one interface and two addresses of each family on it, and a neighbour of it.

let server: Namespace
let neighbour: Namespace

beforeAll(() => {
  server = new Namespace(`sluice-a-${process.pid}`)
  neighbour = new Namespace(`sluice-b-${process.pid}`)
  cable(server, ['10.77.0.1/24', '10.77.0.2/24', 'fd77::1/64', 'fd77::2/64'], neighbour, ['10.77.0.9/24', 'fd77::9/64'])
})

afterAll(() => {
  server?.remove()
  neighbour?.remove()
})

async function serve(host: string): Promise<number> {
  const program = new Program('names', { args: ['serve', host], wrapper: server.wrapper })
  return Number(await program.said('port'))
}

/** What the server sees of somebody who asks each of these addresses. */
async function seen(port: number, where: Namespace, addresses: string[]): Promise<Record<string, string>> {
  const program = new Program('names', { args: ['ask', port], wrapper: where.wrapper })
  for (const address of addresses) program.tell(address)
  const answers: Record<string, string> = {}
  for (const address of addresses) answers[address] = await program.said(`seen ${address}`)
  return answers
}

const map = (address: string): string => `::ffff:${address}`

describe('a server on all addresses of a machine', () => {
  it('0.0.0.0 knows by which of them it was addressed, from near and far', async () => {
    const port = await serve('0.0.0.0')
    expect(await seen(port, neighbour, ['10.77.0.1', '10.77.0.2'])).toEqual({
      '10.77.0.1': '10.77.0.1 10.77.0.9',
      '10.77.0.2': '10.77.0.2 10.77.0.9',
    })
    expect(await seen(port, server, ['127.0.0.1', '127.0.0.2', '10.77.0.1', '10.77.0.2'])).toEqual({
      '127.0.0.1': '127.0.0.1 127.0.0.1',
      '127.0.0.2': '127.0.0.2 127.0.0.1',
      '10.77.0.1': '10.77.0.1 10.77.0.1',
      // linux: the source of what goes to an own address is the first of its network.
      '10.77.0.2': '10.77.0.2 10.77.0.1',
    })
  })

  it(':: does, for both families', async () => {
    const port = await serve('::')
    expect(await seen(port, neighbour, ['10.77.0.1', '10.77.0.2', 'fd77::1', 'fd77::2'])).toEqual({
      '10.77.0.1': `${map('10.77.0.1')} ${map('10.77.0.9')}`,
      '10.77.0.2': `${map('10.77.0.2')} ${map('10.77.0.9')}`,
      'fd77::1': 'fd77::1 fd77::9',
      'fd77::2': 'fd77::2 fd77::9',
    })
    expect(await seen(port, server, ['127.0.0.1', '127.0.0.2', '::1', '10.77.0.2', 'fd77::2'])).toEqual({
      '127.0.0.1': `${map('127.0.0.1')} ${map('127.0.0.1')}`,
      '127.0.0.2': `${map('127.0.0.2')} ${map('127.0.0.1')}`,
      '::1': '::1 ::1',
      '10.77.0.2': `${map('10.77.0.2')} ${map('10.77.0.1')}`,
      'fd77::2': 'fd77::2 fd77::2',
    })
  })

  it.each(['0.0.0.0', '::'])('%s: a broadcast or a multicast gets no answer', async (host) => {
    const port = await serve(host)
    // The last one is heard: an answer to those before it would have come earlier.
    const destinations = ['10.77.0.255', '255.255.255.255', '224.0.0.1', '10.77.0.2']
    const program = new Program('shout', { args: [port, ...destinations], wrapper: neighbour.wrapper })
    expect(await program.said('answer')).toBe('10.77.0.2')
    program.tell('enough')
    await program.exited
    expect(program.lines).toEqual(['answer 10.77.0.2', 'over'])
  })

  it.each(['0.0.0.0', '::'])(
    '%s: an address that comes later is served too, and the others when it goes',
    async (host) => {
      const port = await serve(host)
      server.addAddress('eth0', '10.77.0.3/24')
      const local = host === '::' ? map('10.77.0.3') : '10.77.0.3'
      const peer = host === '::' ? map('10.77.0.9') : '10.77.0.9'
      // Until the server has looked at its addresses again.
      for (let answer = ''; answer !== `${local} ${peer}`; ) {
        ;({ '10.77.0.3': answer } = await seen(port, neighbour, ['10.77.0.3']))
        expect([`${local} ${peer}`, 'ECONNREFUSED']).toContain(answer)
      }
      server.ip('addr', 'del', '10.77.0.3/24', 'dev', 'eth0')
      const first = host === '::' ? map('10.77.0.1') : '10.77.0.1'
      expect(await seen(port, neighbour, ['10.77.0.1'])).toEqual({ '10.77.0.1': `${first} ${peer}` })
    },
  )
})
