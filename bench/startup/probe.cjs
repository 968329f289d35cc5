'use strict'
// Preloaded by bench/startup: what the program has cost when it ends, as its last line.
process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  const sample = { cpuMs: (user + system) / 1000, wallMs: performance.now(), rss: process.memoryUsage.rss() }
  process.stdout.write(`${JSON.stringify(sample)}\n`)
})
