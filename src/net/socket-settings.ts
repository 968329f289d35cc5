import { timerDuration, toWholeSeconds, validateFunction, validateInt32 } from './args.ts'
import { timersOf } from './connect.ts'
import { invalidType } from './errors.ts'
import { kHandle, kState, type SocketInternals, type SocketState } from './internals.ts'
import { runAt } from './socket-tasks.ts'
import type { KeepAliveOptions } from './types.ts'

// What an application sets on a socket, before it connects or after: the idle timeout, and options of the connection.

type Self = SocketInternals

/** linux: the ECN bits are TCP's own. */
const TOS_OF_TCP = process.platform === 'linux' ? 0xfc : 0xff

/** Gives a socket its settings when its connection stands. */
export function applySettings(socket: Self): void {
  const state = socket[kState]
  const handle = socket[kHandle]
  if (handle === null) return
  if (state.noDelay) handle.setNoDelay(true)
  if (state.keepAlive.on) applyKeepAlive(handle, state)
  state.tcp?.apply()
}

/** With a delay come a second between probes and ten of them, as libuv sets these; without, all is as the stack has it. */
export function applyKeepAlive(handle: NonNullable<Self[typeof kHandle]>, state: SocketState): void {
  const { on, delay, interval, count } = state.keepAlive
  if (!on) handle.setKeepAlive(false)
  else if (delay === 0) handle.setKeepAlive(true, undefined, interval * 1000 || undefined, count || undefined)
  else handle.setKeepAlive(true, delay * 1000, (interval || 1) * 1000, count || 10)
}

/** The methods, for `Socket.prototype`. */
export function addSettings(proto: Self): void {
  proto.setTimeout = function (this: Self, msecs, callback) {
    if (this.destroyed) return this
    this.timeout = msecs
    const duration = timerDuration(msecs, 'msecs')
    const state = this[kState]
    const timers = timersOf(this)
    if (state.idleTimer !== null) timers.clearTimeout(state.idleTimer)
    state.idleTimer = null
    if (duration !== 0) {
      state.idleTimer = timers.setTimeout(() => this._onTimeout(), duration)
      state.idleTimer.unref()
    }
    if (callback !== undefined) {
      validateFunction(callback, 'callback')
      if (duration === 0) this.off('timeout', callback)
      else this.once('timeout', callback)
    }
    return this
  }

  /** Something happened on the connection: the idle time begins anew. */
  proto._unrefTimer = function (this: Self) {
    this[kState].idleTimer?.refresh()
  }

  proto._onTimeout = function (this: Self) {
    const state = this[kState]
    const handle = this[kHandle]
    // A write that moves is activity, though its callback is yet to come.
    if (state.lastWriteQueueSize > 0 && handle !== null && state.lastWriteQueueSize !== handle.writeQueueSize) {
      state.lastWriteQueueSize = handle.writeQueueSize
      this._unrefTimer()
      return
    }
    this.emit('timeout')
  }

  proto.setNoDelay = function (this: Self, enable) {
    const on = enable === undefined || Boolean(enable)
    const state = this[kState]
    const handle = this[kHandle]
    // Before the connection stands it is only remembered.
    if (handle !== null && on !== state.noDelay) handle.setNoDelay(on)
    state.noDelay = on
    return this
  }

  proto.setKeepAlive = function (
    this: Self,
    enable?: boolean | KeepAliveOptions,
    initialDelay?: number,
    interval?: number,
    count?: number,
  ) {
    if (enable !== null && typeof enable === 'object') {
      const { enable: on, ...rest } = enable
      return this.setKeepAlive(on, rest.initialDelay, rest.interval, rest.count)
    }
    const state = this[kState]
    const was = state.keepAlive
    const next = {
      on: Boolean(enable),
      delay: Math.max(0, toWholeSeconds(initialDelay)),
      interval: Math.max(0, toWholeSeconds(interval)),
      count: Math.max(0, Math.trunc(Number(count)) || 0),
    }
    state.keepAlive = next
    const changed =
      next.on !== was.on ||
      (next.on && (next.delay !== was.delay || next.interval !== was.interval || next.count !== was.count))
    const handle = this[kHandle]
    if (handle !== null && changed) applyKeepAlive(handle, state)
    return this
  }

  proto.setTypeOfService = function (this: Self, tos) {
    if (Number.isNaN(tos)) throw invalidType('tos', 'of type number', tos)
    validateInt32(tos, 'tos', 0, 255)
    this[kState].typeOfService = tos
    return this
  }

  proto.getTypeOfService = function (this: Self) {
    const tos = this[kState].typeOfService ?? 0
    return this.pending ? tos : tos & TOS_OF_TCP
  }

  proto.ref = function (this: Self) {
    if (this[kHandle] === null) runAt(this, 'connect', () => this.ref())
    else this[kHandle].ref()
    return this
  }

  proto.unref = function (this: Self) {
    if (this[kHandle] === null) runAt(this, 'connect', () => this.unref())
    else this[kHandle].unref()
    return this
  }
}
