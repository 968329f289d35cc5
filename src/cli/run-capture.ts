import { readFileSync } from 'node:fs'
import { type CapturedPacket, CaptureError, captureOutput, PcapngWriter, readCapture } from '../observe/index.ts'
import { sessionFiles } from '../run/index.ts'

/** Puts what the processes of a run captured into one file, in the order of time. */
export function mergeCaptures(folder: string, target: string): void {
  const sources = sessionFiles(folder, 'capture-').map((file) => packetsOf(file))
  const output = captureOutput(target)
  const writer = new PcapngWriter(output)
  // Each keeps its own order: what a host does in one moment may bear times that do not.
  const heads = sources.map((source) => source.next().value)
  for (;;) {
    let first = -1
    for (const [i, packet] of heads.entries()) {
      if (packet && (first < 0 || packet.ns < (heads[first] as CapturedPacket).ns)) first = i
    }
    if (first < 0) break
    writer.copy(heads[first] as CapturedPacket)
    heads[first] = sources[first]?.next().value
  }
  writer.end()
}

function* packetsOf(file: string): Generator<CapturedPacket, undefined> {
  try {
    yield* readCapture(readFileSync(file))
  } catch (error) {
    // A process that was killed leaves its last packet cut short.
    if (!(error instanceof CaptureError)) throw error
  }
}
