import { expect, it } from 'vitest'
import type { Endpoint } from '../../../src/stack/endpoint.ts'
import { Turn } from '../../../src/stack/turn.ts'

/** A turn whose host tells what it does, on a clock that only the endpoints move. */
function turnOf() {
  const seen: string[] = []
  let now = 0
  const user = { outstanding: 1 }
  const turn = new Turn({
    nowUs: () => now,
    settled: (endpoint) => void seen.push(`settled ${name(endpoint)}`),
    flush: (time) => void seen.push(`flush at ${time}`),
  })
  /** An endpoint whose owner takes `us` to be told. */
  const endpoint = (id: string, us = 0, tell: () => void = () => {}): Endpoint =>
    ({
      id,
      isReady: false,
      postponed: false,
      detached: false,
      path: { user },
      connection: { fill: () => false },
      dispatch() {
        seen.push(`tell ${id}`)
        now += us
        tell()
      },
    }) as unknown as Endpoint
  const run = (): string[] => {
    turn.run(now)
    return seen.splice(0)
  }
  return { turn, endpoint, run, user }
}

const name = (endpoint: Endpoint): string => (endpoint as unknown as { id: string }).id

it('tells all owners, then sends once', () => {
  const { turn, endpoint, run } = turnOf()
  for (const id of ['a', 'b']) turn.add(endpoint(id, 100))
  expect(run()).toEqual(['tell a', 'tell b', 'settled a', 'settled b', 'flush at 0'])
  expect(run()).toEqual(['flush at 200'])
})

it('sends at the time when it sends, where the last owner took its time', () => {
  const { turn, endpoint, run } = turnOf()
  turn.add(endpoint('a', 3000))
  expect(run()).toEqual(['tell a', 'settled a', 'flush at 3000'])
  turn.add(endpoint('a', 999))
  expect(run()).toEqual(['tell a', 'settled a', 'flush at 3000'])
})

it('sends what there is while owners take their time', () => {
  const { turn, endpoint, run } = turnOf()
  for (const id of ['a', 'b', 'c']) turn.add(endpoint(id, 3000))
  const first = ['tell a', 'tell b', 'settled a', 'settled b', 'flush at 6000']
  expect(run()).toEqual([...first, 'tell c', 'settled c', 'flush at 9000'])
  expect(turn.isEmpty).toBe(true)
})

it('answers for half of them first where the peer has nothing to do meanwhile, so that they do not keep in step', () => {
  const { turn, endpoint, run, user } = turnOf()
  const all = (us: number) => ['a', 'b', 'c', 'd', 'e'].map((id) => turn.add(endpoint(id, us)))
  user.outstanding = 0
  all(10)
  const [first, second] = [
    ['tell a', 'tell b', 'settled a', 'settled b', 'flush at 20'],
    ['tell c', 'tell d', 'tell e', 'settled c', 'settled d', 'settled e', 'flush at 20'],
  ]
  expect(run()).toEqual([...first, ...second])
  // Time that does not pass, as in simulations, is nobody's to gain.
  all(0)
  expect(run().filter((what) => what.startsWith('flush'))).toEqual(['flush at 50'])
  // Something is under way.
  user.outstanding = 1
  all(10)
  expect(run().filter((what) => what.startsWith('flush'))).toEqual(['flush at 50'])
  // Two have a half, one alone has none.
  user.outstanding = 0
  for (const id of ['a', 'b']) turn.add(endpoint(id, 10))
  expect(run()).toEqual(['tell a', 'settled a', 'flush at 110', 'tell b', 'settled b', 'flush at 110'])
  turn.add(endpoint('a', 10))
  expect(run().filter((what) => what.startsWith('flush'))).toEqual(['flush at 120'])
  expect(turn.isEmpty).toBe(true)
})

it('who is written to after it was pulled is told and pulled again', () => {
  const { turn, endpoint, run } = turnOf()
  const a = endpoint('a', 5000)
  turn.add(a)
  turn.add(endpoint('b', 0, () => turn.add(a)))
  expect(run()).toEqual([
    ...['tell a', 'settled a', 'flush at 5000', 'tell b'],
    ...['tell a', 'settled b', 'settled a', 'flush at 10000'],
  ])
})

it('whose owner threw, and those behind it, have another turn', () => {
  const { turn, endpoint, run } = turnOf()
  let throws = true
  const b = endpoint('b', 0, () => {
    if (throws) throw new Error('b')
  })
  for (const one of [endpoint('a', 5000), b, endpoint('c')]) turn.add(one)
  expect(run).toThrow('b')
  expect(turn.isEmpty).toBe(false)
  expect(turn.isRunning).toBe(false)
  throws = false
  const before = ['tell a', 'settled a', 'flush at 5000', 'tell b', 'flush at 5000']
  expect(run()).toEqual([...before, 'tell b', 'tell c', 'settled b', 'settled c', 'flush at 5000'])
})

it('is put off for who hears of it later', () => {
  const { turn, endpoint, run } = turnOf()
  const a = endpoint('a', 0, () => {
    a.postponed = true
  })
  turn.add(a)
  expect(run()).toEqual(['tell a', 'flush at 0'])
  expect(turn.isEmpty).toBe(false)
  turn.add(a)
  const heard = endpoint('b', 0, () => {
    a.postponed = false
  })
  turn.add(heard)
  a.dispatch = () => {}
  expect(run()).toEqual(['tell b', 'settled a', 'settled b', 'flush at 0'])
  expect(turn.isEmpty).toBe(true)
})
