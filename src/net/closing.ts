import nodeNet from 'node:net'
import { setImmediate } from './at-start.ts'
import { isInPoll } from './poll.ts'

// `net` announces a close when libuv has closed the handle: at the end of an iteration of the event loop, behind the immediates of that
// iteration, the last handle closed first. Programs see the difference (an immediate asked for in an 'end' listener runs before
// 'close'), so ours ends there too, by closing a handle that was never opened: it has no descriptor, and costs no system call.

interface ClosableHandle {
  close(done: () => void): void
}

type HandleClass = new (type: number) => ClosableHandle

// At load: the socket would be announced to whoever subscribes to `net.client.socket`.
const handleClass = ((): HandleClass | null => {
  const socket = new nodeNet.Socket()
  try {
    // Of an address there is nothing to look up; the socket has its handle at once, and is gone before it would use it. IPv4, because what
    // tells IPv6 takes milliseconds to be made.
    socket.connect({ host: '127.0.0.1', port: 1 })
    const handle = (socket as { _handle?: object })._handle
    return typeof (handle as ClosableHandle | undefined)?.close === 'function'
      ? ((handle as object).constructor as HandleClass)
      : null
  } catch {
    return null
  } finally {
    socket.destroy()
  }
})()

/** Runs `done` in another turn, where the event loop runs the callbacks of handles that were closed now. */
export function whenClosed(done: () => void): void {
  if (handleClass === null) setImmediate(done)
  // A turn comes with the immediates, and stands for what comes before them: those asked for meanwhile go first.
  else if (isInPoll()) setImmediate(closeAnother, done)
  else closeAnother(done)
}

function closeAnother(done: () => void): void {
  ;new (handleClass as HandleClass)(0).close(done)
}
