import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'

/** Records what this process is at, from now on; the function that it returns ends that and writes the profile. `interval`: µs between two looks. */
export function recordProfile(file: string, interval: number): () => void {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval })
  session.post('Profiler.start')
  return () => {
    session.post('Profiler.stop', (error, { profile }) => {
      if (error !== null) throw error
      writeFileSync(file, JSON.stringify(profile))
    })
    session.disconnect()
  }
}
