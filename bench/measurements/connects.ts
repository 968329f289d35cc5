// Connections opened and closed, with one and with many under way: what a short-lived client costs a program that runs for long. Much code takes part
// in each, and some thousands of them pass before all of it is compiled, however fast the machine: what a start costs is `npm run bench:startup`'s to say.

import { closed, drain, type Measurement } from './measurement.ts'

const FLIGHTS = [1, 32]

export const connects: Measurement = {
  name: 'connects',
  group: 'connects',
  figures: FLIGHTS.map((flight) => ({
    name: `flight${flight}`,
    title: `connect and close, ${flight} under way`,
    unit: '/s',
    better: 'more',
  })),
  settings: (quick) => ({ warmup: quick ? 100 : 3000, least: quick ? 0 : 10_000, duration: quick ? 300 : 1500 }),
  seconds: ({ warmup, duration }) => (FLIGHTS.length * (warmup + duration)) / 1000,

  async serve(transport) {
    const address = await transport.listen(drain)
    return { addresses: [address], finish: () => ({}) }
  },

  async drive(transport, [address], { warmup, least, duration }) {
    const sample: Record<string, number> = {}
    for (const flight of FLIGHTS) {
      const begin = performance.now()
      let until = Number.POSITIVE_INFINITY
      let before = 0
      let count = 0
      const repeat = async (): Promise<void> => {
        for (let now = 0; now < until; ) {
          const connection = await transport.connect(address)
          drain(connection)
          connection.end()
          await closed(connection)
          now = performance.now()
          if (until < Number.POSITIVE_INFINITY) {
            if (now < until) count++
          } else if (++before >= least && now - begin >= warmup) until = now + duration
        }
      }
      await Promise.all(Array.from({ length: flight }, repeat))
      sample[`flight${flight}`] = (count / duration) * 1000
    }
    return sample
  },
}
