import { describe, expect, it } from 'vitest'
import { type CpuProfile, functionOf, layerOf, sharesOf } from '../../../bench/profile/layers.ts'

const frame = (functionName: string, url: string) => ({ functionName, url })

describe('layers of a profile', () => {
  it.each([
    ['tcp', frame('fill', 'file:///home/me/sluice/src/tcp/connection.ts')],
    ['tcp', frame('onAck', 'file:///home/me/sluice/src/tcp/loss/rack.ts?namespace=1')],
    ['index', frame('', 'file:///home/me/sluice/src/index.ts')],
    ['(bench)', frame('pump', 'file:///home/me/sluice/bench/measurements/stream.ts')],
    ['package koffi', frame('load', 'file:///home/me/sluice/node_modules/koffi/index.js')],
    ['package @scope/name', frame('load', 'file:///a/node_modules/@scope/name/src/x.js')],
    ['Node dgram', frame('doSend', 'node:dgram')],
    ['Node streams', frame('addChunk', 'node:internal/streams/readable')],
    ['(garbage collector)', frame('(garbage collector)', '')],
    ['(native)', frame('send', '')],
  ])('%s', (layer, its) => {
    expect(layerOf(its)).toBe(layer)
  })

  it('tell where our functions are', () => {
    expect(functionOf(frame('fill', 'file:///a/src/tcp/connection.ts'))).toBe('fill (tcp/connection.ts)')
    expect(functionOf(frame('', 'node:net'))).toBe('(anonymous)')
  })

  it('have the time from each look to the next, without what was idle, the largest first', () => {
    const profile: CpuProfile = {
      nodes: [
        { id: 1, callFrame: frame('(idle)', '') },
        { id: 2, callFrame: frame('a', 'file:///a/src/tcp/a.ts') },
        { id: 3, callFrame: frame('b', 'file:///a/src/tcp/b.ts') },
        { id: 4, callFrame: frame('c', 'file:///a/src/wire/c.ts') },
      ],
      samples: [2, 1, 4, 3, 4],
      timeDeltas: [0, 100, 1000, 300, 50],
    }
    expect(sharesOf(profile, layerOf)).toEqual([
      { name: 'wire', self: 300 },
      { name: 'tcp', self: 150 },
    ])
  })
})
