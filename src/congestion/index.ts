import { Bbr } from './bbr/index.ts'
import { Bbr3 } from './bbr3/index.ts'
import { Cubic } from './cubic.ts'
import { Fixed } from './fixed.ts'
import { registerCongestionControl } from './registry.ts'
import { Reno } from './reno.ts'
import { Vegas } from './vegas.ts'
import { Westwood } from './westwood.ts'

export { Bbr } from './bbr/index.ts'
export { Bbr3 } from './bbr3/index.ts'
export { ContainedController, type ControllerFault, createContainedControl } from './contained.ts'
export {
  type CongestionController,
  type ControllerEnvironment,
  type ControllerFactory,
  newRateSample,
  type RateSample,
  UndoKind,
} from './controller.ts'
export { Cubic } from './cubic.ts'
export { Fixed } from './fixed.ts'
export { HyStart, HyStartPlusPlus, type SlowStartExit } from './hystart.ts'
export { Pacer, paceQuantum, pacingRate, QUANTUM_US } from './pacer.ts'
export { RateSampler, type SendStamp } from './rate-sampler.ts'
export {
  congestionControlDescription,
  congestionControlNames,
  createCongestionControl,
  hasCongestionControl,
  registerCongestionControl,
} from './registry.ts'
export { Reno } from './reno.ts'
export { Vegas } from './vegas.ts'
export { Westwood } from './westwood.ts'

registerCongestionControl('reno', (environment) => new Reno(environment), {
  description: 'slow start, congestion avoidance, half on loss (RFC 5681)',
})
registerCongestionControl('cubic', (environment) => new Cubic(environment), {
  description: 'the window grows along a cubic of time (RFC 9438), with HyStart++ (RFC 9406)',
})
registerCongestionControl('bbr', (environment) => new Bbr(environment), {
  description:
    'paces at the measured bandwidth, no more in flight than the path holds; loss is no signal (BBR version 1)',
})
registerCongestionControl('bbr3', (environment) => new Bbr3(environment), {
  description: 'BBR with bounds that loss and ECN marks set (version 3, draft-ietf-ccwg-bbr)',
})
registerCongestionControl('westwood', (environment) => new Westwood(environment), {
  description: 'Reno that falls to the measured bandwidth-delay product instead of half (Westwood+)',
})
registerCongestionControl('vegas', (environment) => new Vegas(environment), {
  description: 'keeps two to four segments of its own in the queue, by the round-trip time',
})
registerCongestionControl('fixed', (environment) => new Fixed(environment), {
  description: 'a window or a rate set by hand, for tests and experiments',
})
