import type { CongestionController, ControllerEnvironment, ControllerFactory } from './controller.ts'

interface Entry {
  factory: ControllerFactory
  description: string
}

const controllers = new Map<string, Entry>()

/**
 * Makes a congestion controller available by name, to every stack of the process. A name already taken is replaced:
 * connections that run keep what they have.
 *
 * @param name as `tcp_congestion_control` will be set to it; letters, digits, `_` and `-`
 */
export function registerCongestionControl(
  name: string,
  factory: ControllerFactory,
  { description = '' }: { description?: string } = {},
): void {
  if (!/^[a-z0-9_-]+$/i.test(name)) {
    throw new TypeError(`A congestion control name has letters, digits, '_' and '-' only: ${JSON.stringify(name)}`)
  }
  if (typeof factory !== 'function')
    throw new TypeError(`The factory of congestion control '${name}' is not a function`)
  controllers.set(name, { factory, description })
}

/** All registered names, in the order of registration (`tcp_available_congestion_control`). */
export const congestionControlNames = (): string[] => [...controllers.keys()]

export const hasCongestionControl = (name: string): boolean => controllers.has(name)

export const congestionControlDescription = (name: string): string => controllers.get(name)?.description ?? ''

/** Makes a controller; the name must be registered. */
export function createCongestionControl(name: string, environment: ControllerEnvironment): CongestionController {
  const entry = controllers.get(name)
  if (entry === undefined) throw new RangeError(`No congestion control is registered as '${name}'`)
  return entry.factory(environment)
}
