// Small messages, written one after the other without waiting for anything but room.

import type { Measurement } from './measurement.ts'
import { stream } from './stream.ts'

const SIZE = 100

export const writes: Measurement = {
  ...stream,
  name: 'writes',
  group: 'writes',
  figures: [
    { name: 'messages', title: `writes of ${SIZE} bytes`, unit: '/s', better: 'more' },
    { name: 'cost', title: `writes of ${SIZE} bytes, processors`, unit: 's/GB', better: 'less' },
  ],
  settings: (quick) => ({ connections: 1, warmup: quick ? 1000 : 3000, duration: quick ? 500 : 2000, chunk: SIZE }),
}
