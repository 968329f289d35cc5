import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Frame } from '../../../src/impair/frame.ts'
import { TimedQueue } from '../../../src/impair/timed-queue.ts'

const frame = (): Frame => new Frame(false, Buffer.alloc(0), 0, 0, undefined)

it('gives frames by due time, equals in the order of their arrival, whatever was taken in between', () => {
  const operations = fc.array(fc.oneof(fc.nat({ max: 20 }), fc.constant('pop' as const)), { maxLength: 200 })
  fc.assert(
    fc.property(operations, (steps) => {
      const queue = new TimedQueue()
      const model: { frame: Frame; dueUs: number }[] = []
      for (const step of steps) {
        if (step !== 'pop') {
          const item = { frame: frame(), dueUs: step }
          queue.push(item.frame, step)
          model.push(item)
          model.sort((a, b) => a.dueUs - b.dueUs)
        } else if (model.length > 0) {
          expect(queue.pop()).toBe(model.shift()?.frame)
        }
        expect(queue.size).toBe(model.length)
        expect(queue.dueUs).toBe(model[0]?.dueUs ?? Infinity)
      }
    }),
  )
})
