import { writeSync } from 'node:fs'
import nodeNet from 'node:net'
import type { Net } from './program.ts'
import { findProgram } from './programs/index.ts'
import { Recorder } from './recorder.ts'

// Runs programs on one implementation, one after the other: a program has ended, and the next begins, when nothing is left that
// holds the process. What each recorded goes to file descriptor 3, in a line of JSON.
//
//     node child.js node|sluice NAME...

const RECORDS = 3

/** Milliseconds after which a program that still holds the process is put down as such, and the process ends. */
const PATIENCE = 30_000

const [, , implementation, ...names] = process.argv
const net = implementation === 'node' ? (nodeNet as unknown as Net) : (await import('../../src/index.ts')).default

let recorder: Recorder
let finished = true
let patience: NodeJS.Timeout | undefined

process.on('uncaughtException', (error) => recorder.recordIn('process', 'uncaught', [error]))
process.on('warning', ({ name, message }) => {
  // Of Node itself, not of net: what is experimental in one version.
  if (name !== 'ExperimentalWarning') recorder.recordIn('process', 'warning', [name, message])
})
process.on('beforeExit', next)
process.on('exit', (code) => {
  // By process.exit, in the middle of a program.
  if (patience !== undefined) end(`exit ${code}`)
})
next()

function next(): void {
  if (patience !== undefined) end('ended')
  const name = names.shift()
  if (name === undefined) return
  recorder = new Recorder(net)
  finished = false
  patience = setTimeout(() => {
    end('still alive')
    process.exit()
  }, PATIENCE).unref()
  // In a turn of its own: 'beforeExit' comes again only if there was something to do.
  setImmediate(() => void run(name))
}

async function run(name: string): Promise<void> {
  const program = await findProgram(name)
  if (program === undefined) throw new Error(`no program is called ${name}`)
  const mine = recorder
  try {
    await (typeof program === 'function' ? program : program.run)(mine.context())
  } catch (error) {
    mine.recordIn('process', 'the program failed', [error])
  }
  if (mine === recorder) finished = true
}

/** Of the program that ran. */
function end(how: string): void {
  clearTimeout(patience)
  patience = undefined
  if (!finished) recorder.line('process', 'the program never came to its end')
  recorder.line('process', how)
  const line = Buffer.from(`${JSON.stringify(recorder.result())}\n`)
  for (let at = 0; at < line.length; ) at += writeSync(RECORDS, line, at)
}
