import { kState, type SocketInternals, type Task } from './internals.ts'

// What waits for events of a socket's own, and survives `removeAllListeners`.

/**
 * Runs `run` at the next `event`: in its place among the listeners, or behind them if it was removed with them. Destroying the
 * socket forgets what waits for 'connect', so that nothing of one connection leaks into the next.
 */
export function runAt(socket: SocketInternals, event: Task['event'], run: () => void): Task {
  socket[kState].tasks ??= []
  const { tasks } = socket[kState]
  const task: Task = {
    event,
    run,
    listener: () => {
      if (removeTask(tasks, task)) run()
    },
  }
  tasks.push(task)
  socket.once(event, task.listener)
  return task
}

function removeTask(tasks: Task[], task: Task): boolean {
  const at = tasks.indexOf(task)
  if (at >= 0) tasks.splice(at, 1)
  return at >= 0
}

export function forget(socket: SocketInternals, task: Task): void {
  if (removeTask(socket[kState].tasks ?? [], task)) socket.off(task.event, task.listener)
}

/** Emits, and runs what lost its listener. What begins to wait during the event waits for the next. */
export function emitTo(socket: SocketInternals, event: Task['event'], ...args: unknown[]): void {
  const due = socket[kState].tasks?.filter((task) => task.event === event)
  if (due === undefined) {
    socket.emit(event, ...args)
    return
  }
  socket.emit(event, ...args)
  for (const task of due) task.listener()
}
