#!/usr/bin/env node
import { run } from './program.ts'

// A reader that has seen enough (`sluice --help | head -1`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

void run(process.argv.slice(2)).then((status) => {
  process.exitCode = status
})
