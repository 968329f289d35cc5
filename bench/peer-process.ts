import type { ChildProcess } from 'node:child_process'

/** A process that is told what to do by messages, and ends when nobody can tell it anything any more. */
export class PeerProcess {
  protected readonly child: ChildProcess
  readonly #gone: Promise<unknown>

  constructor(child: ChildProcess) {
    this.child = child
    this.#gone = new Promise((resolve) => {
      child.once('exit', resolve)
      child.once('error', () => {
        // It never began.
        if (child.pid === undefined) resolve(undefined)
      })
    })
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    if (this.child.connected) this.child.disconnect()
    // It exits by itself then, unless its event loop is stuck.
    const timer = setTimeout(() => this.kill(), 3000)
    await this.#gone
    clearTimeout(timer)
  }
}
