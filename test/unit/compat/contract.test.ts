import { EventEmitter } from 'node:events'
import { expect, describe as group, it } from 'vitest'
import { compare, explain } from '../../../compat/contract/compare.ts'
import { describe } from '../../../compat/contract/describe.ts'
import type { Net } from '../../../compat/contract/program.ts'
import { Recorder } from '../../../compat/contract/recorder.ts'

// A comparison that is blind proves nothing: what must be seen to differ, and what must not.

const record = (act: (recorder: Recorder) => void): Record<string, string[]> => {
  const recorder = new Recorder({} as Net)
  act(recorder)
  return recorder.result()
}

const text = (value: unknown): string => describe(value, () => undefined)

group('values in a record', () => {
  it('errors show all that a program can read, in the order of their keys', () => {
    const error = Object.assign(new TypeError('no'), { code: 'E', port: 5 })
    expect(text(error)).toBe('TypeError: "no" { code: "E", port: 5 }')
    expect(text(Object.assign(new TypeError('no'), { port: 5, code: 'E' }))).not.toBe(text(error))
    class Mine extends Error {}
    expect(text(new Mine('x'))).toBe('Mine/Error: "x" {}')
    expect(text(new AggregateError([new Error('inner')]))).toContain('errors: [Error: "inner" {}]')
  })

  it('kinds that print alike are told apart', () => {
    const kinds = [
      undefined,
      null,
      0,
      -0,
      '',
      'undefined',
      {},
      [],
      Buffer.of(),
      new Uint8Array(),
      false,
      0n,
      Object.create(null),
    ]
    expect(new Set(kinds.map(text)).size).toBe(kinds.length)
  })

  it('long data is told apart by what is in it', () => {
    expect(text('x'.repeat(1000))).not.toBe(text(`${'x'.repeat(999)}y`))
    expect(text(Buffer.alloc(1000))).not.toBe(text(Buffer.alloc(1000, 1)))
  })

  it('what contains itself has an end', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(text(circle)).toBe('{ self: [Circular] }')
  })
})

group('a recorder', () => {
  it('keeps events with their arguments, and what changed of the properties', () => {
    const emitter = Object.assign(new EventEmitter(), { connecting: true })
    const { lane } = record((recorder) => {
      recorder.watch(emitter, 'lane')
      emitter.connecting = false
      emitter.emit('connect', 'argument')
      emitter.emit('ready')
      emitter.emit('of nobody’s concern')
    })
    expect(lane).toEqual(['watched\n    connecting true', 'connect "argument"\n    connecting false', 'ready'])
  })

  it('puts data together, but not across events', () => {
    const emitter = new EventEmitter()
    const { lane } = record((recorder) => {
      recorder.watch(emitter, 'lane')
      for (const chunk of ['a', 'b']) emitter.emit('data', Buffer.from(chunk))
      emitter.emit('end')
      emitter.emit('data', 'c')
    })
    expect(lane.slice(1)).toEqual(['data Buffer "ab"', 'end', 'data "c"'])
  })

  it('names ports, wherever they are, and leaves other numbers alone', () => {
    const { main } = record((recorder) => {
      const { port, record } = recorder.context()
      port(40_001, 'port')
      record('at 127.0.0.1:40001', 40_001, 40_002, { localPort: 50_123, size: 140_001 })
    })
    expect(main).toEqual(['at 127.0.0.1:<port> <port> 40002 { localPort: <some localPort>, size: 140001 }'])
  })
})

group('a comparison', () => {
  it('notices another order, a missing line, a lane too many', () => {
    const base = { main: ['a', 'b'] }
    for (const other of [{ main: ['b', 'a'] }, { main: ['a'] }, { main: ['a', 'b'], more: ['c'] }, {}]) {
      expect(compare('theme: program', 20, base, other as never).differences).toHaveLength(1)
    }
    expect(compare('theme: program', 20, base, { main: ['a', 'b'] }).differences).toEqual([])
  })

  it('allows what is listed, for its program only', () => {
    const lanes = (handle: boolean): Record<string, string[]> => ({ main: [`handle ${handle}`] })
    const { differences, used } = compare('shape: handles', 20, lanes(true), lanes(false))
    expect(differences).toEqual([])
    expect(used.map(({ name }) => name)).toEqual(['no _handle'])
    expect(compare('shape: other', 20, lanes(true), lanes(false)).differences).toHaveLength(1)
    expect(compare('shape: handles', 20, lanes(true), { main: ['handle true', 'more'] }).differences).toHaveLength(1)
  })

  it('explains a difference line by line', () => {
    const [difference] = compare('x: y', 20, { main: ['a', 'b', 'c'] }, { main: ['a', 'x', 'c'] }).differences
    expect(explain(difference)).toBe('  lane main:\n      a\n    - b\n    + x\n      c')
  })
})
