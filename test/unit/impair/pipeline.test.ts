import { describe, expect, it } from 'vitest'
import { type DirectionFields, Pipeline, parsePipelineSpec, Rng } from '../../../src/impair/index.ts'
import { PipelineRig, runPipeline } from '../../support/pipeline-rig.ts'

const MIXED: DirectionFields = {
  loss: 0.1,
  duplicate: 0.1,
  corrupt: 0.1,
  rate: '10mbit',
  reorder: '10% by 5ms',
  delay: 20,
  jitter: 10,
}

const counted = (rig: PipelineRig) => rig.pipeline.counters

describe('Pipeline', () => {
  it('lets everything through at once, uncopied, when nothing is asked for', () => {
    const pipeline = new Pipeline<string>({}, new Rng(1))
    const frame = Buffer.from('..body..')
    const seen: unknown[] = []
    pipeline.push(frame, 2, 6, 0, (...emitted) => seen.push(emitted), 'tag')
    expect(seen).toEqual([[frame, 2, 6, 'tag', false]])
    expect((seen[0] as unknown[])[0]).toBe(frame)
    expect(pipeline.deadline).toBe(Infinity)
    expect(pipeline.counters).toMatchObject({ in: 1, out: 1, held: 0, delayed: 0 })
  })

  it('passes frames at once and uncopied through stages that let them be, and duplicates with bytes of their own', () => {
    const pipeline = new Pipeline(parsePipelineSpec({ loss: 0.5, duplicate: 0.5 }) ?? {}, new Rng(1))
    const frame = Buffer.alloc(10)
    const seen: Buffer[] = []
    for (let i = 0; i < 20; i++) pipeline.push(frame, 0, 10, i, (buffer) => seen.push(buffer))
    const { out, duplicated } = pipeline.counters
    expect(seen.length).toBe(out)
    expect(out).toBeGreaterThan(5)
    expect(duplicated).toBeGreaterThan(0)
    expect(seen.filter((buffer) => buffer === frame).length).toBe(out - duplicated)
    expect(seen.every((buffer) => buffer.equals(frame))).toBe(true)
  })

  it('copies what it keeps', () => {
    const rig = new PipelineRig({ delay: 10 }, { size: 3 }).push(2)
    expect(rig.arrivals).toEqual([])
    expect(rig.pipeline.counters).toMatchObject({ in: 2, out: 0, held: 2, delayed: 2 })
    expect(rig.pipeline.deadline).toBe(10_000)
    rig.drain()
    expect(rig.arrivals).toEqual([
      { index: 0, us: 10_000, body: Buffer.from([0, 0, 0]) },
      { index: 1, us: 11_000, body: Buffer.from([1, 1, 1]) },
    ])
    expect(rig.pipeline.counters).toMatchObject({ out: 2, held: 0 })
    expect(rig.pipeline.deadline).toBe(Infinity)
  })

  it('keeps account of every frame at every moment', () => {
    const rig = new PipelineRig(MIXED, { intervalUs: 300 })
    for (let i = 0; i < 2000; i++) {
      rig.push(1).advance(300)
      const { in: came, out, held, dropped, duplicated } = counted(rig)
      expect(came + duplicated).toBe(out + dropped + held)
      expect(out).toBe(rig.arrivals.length)
      expect(rig.pipeline.deadline === Infinity).toBe(held === 0)
      expect(rig.pipeline.deadline).toBeGreaterThan(rig.nowUs)
    }
    rig.drain()
    const { held, corrupted, reordered, duplicated, dropped } = counted(rig)
    expect(held).toBe(0)
    for (const count of [corrupted, reordered, duplicated, dropped]) expect(count).toBeGreaterThan(100)
  })

  it('gives every frame the same fate again from the same seed, and another from another', () => {
    const first = runPipeline(MIXED, 500, { seed: 7 })
    expect(runPipeline(MIXED, 500, { seed: 7 }).arrivals).toEqual(first.arrivals)
    expect(runPipeline(MIXED, 500, { seed: 8 }).arrivals).not.toEqual(first.arrivals)
  })

  it('decides about a frame by its number only, whatever other stages do', () => {
    const lost = (fields: DirectionFields): number[] => {
      const came = new Set(runPipeline(fields, 500, { intervalUs: 20_000 }).order)
      return Array.from({ length: 500 }, (_, i) => i).filter((i) => !came.has(i))
    }
    const alone = lost({ loss: 0.1 })
    expect(alone.length).toBeGreaterThan(20)
    expect(lost({ ...MIXED, loss: 0.1 })).toEqual(alone)

    const twice = (fields: DirectionFields): number[] => {
      const { order } = runPipeline(fields, 500)
      return order.filter((index, at) => order.indexOf(index) !== at)
    }
    const doubled = twice({ duplicate: 0.2 })
    const kept = new Set(runPipeline({ loss: 0.3 }, 500).order)
    expect(twice({ duplicate: 0.2, loss: 0.3 })).toEqual(doubled.filter((index) => kept.has(index)))
    // Also where each choice follows the one before it.
    const linked = twice({ duplicate: '20% 60%' })
    expect(twice({ duplicate: '20% 60%', loss: 0.3 })).toEqual(linked.filter((index) => kept.has(index)))
  })

  it('does when called late, in the right order, what calls in time would have done', () => {
    const prompt = runPipeline(MIXED, 300, { intervalUs: 500 })
    const late = new PipelineRig(MIXED, { intervalUs: 500 })
    const order: number[] = []
    const emit = (_buffer: Buffer, _start: number, _end: number, index: number) => void order.push(index)
    // Never woken but by the next push, and at the end all at once.
    for (let i = 0; i < 300; i++) late.pipeline.push(Buffer.alloc(100), 0, 100, i * 500, emit, i)
    late.pipeline.release(Infinity, emit)
    expect(order).toEqual(prompt.order)
    expect(late.pipeline.counters).toEqual(prompt.pipeline.counters)
  })

  describe('setSpec', () => {
    it('changes what happens from now on; what is kept leaves when it would have', () => {
      const rig = new PipelineRig({ delay: 50 }).push(2).setFields({}).push(1)
      expect(rig.order).toEqual([2])
      rig.drain()
      expect(rig.order).toEqual([2, 0, 1])
      expect(rig.times).toEqual([1000, 50_000, 51_000])
      rig.push(1)
      expect(rig.order).toEqual([2, 0, 1, 3])
      expect(rig.pipeline.spec).toEqual({})
    })

    it('goes on counting frames, so that a stage turned on later decides as if it had been on', () => {
      const always = runPipeline({ loss: 0.2 }, 400).order.filter((index) => index >= 200)
      const later = new PipelineRig({}).push(200).setFields({ loss: 0.2 }).push(200).order
      expect(later.slice(200)).toEqual(always)
      expect(always.length).toBeLessThan(200)
    })

    it('can turn loss to all and back: an outage', () => {
      const rig = new PipelineRig({}).push(3).setFields({ loss: 1 }).push(3).setFields({ loss: 0 }).push(3)
      expect(rig.order).toEqual([0, 1, 2, 6, 7, 8])
      expect(counted(rig).dropped).toBe(3)
    })
  })

  it('carries a frame of no bytes', () => {
    expect(runPipeline(MIXED, 50, { size: 0 }).arrivals.length).toBeGreaterThan(20)
  })
})
