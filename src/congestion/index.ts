import { registerCongestionControl } from './registry.ts'
import { Reno } from './reno.ts'

export {
  type CongestionController,
  type ControllerEnvironment,
  type ControllerFactory,
  type RateSample,
  UndoKind,
} from './controller.ts'
export {
  congestionControlDescription,
  congestionControlNames,
  createCongestionControl,
  hasCongestionControl,
  registerCongestionControl,
} from './registry.ts'
export { Reno } from './reno.ts'

registerCongestionControl('reno', (environment) => new Reno(environment), {
  description: 'slow start, congestion avoidance, half on loss (RFC 5681)',
})
