// Preloaded beside a program: says at its end what the default stack has carried.
const { isMainThread } = require('node:worker_threads')
const { writeSync } = require('node:fs')

if (isMainThread && process.send === undefined) {
  process.on('exit', () => {
    const stack = globalThis[Symbol.for('sluice.defaultStack')]
    writeSync(1, `carried ${stack?.counters().PassiveOpens ?? 0}\n`)
  })
}
