import type { Experiment } from '../experiment.ts'
import {
  bbrBandwidthStep,
  bbrStartup,
  bufferbloat,
  fairness,
  hystart,
  lossyBulk,
  operatingPoint,
} from './bottleneck.ts'
import { ccCompare } from './cc-compare.ts'
import { recoveryStates } from './recovery-states.ts'
import { appLimited, idleRestart, initialWindow, slowStart } from './windows.ts'

export const congestion: readonly Experiment[] = [
  slowStart,
  initialWindow,
  hystart,
  idleRestart,
  appLimited,
  recoveryStates,
  lossyBulk,
  ccCompare,
  operatingPoint,
  bbrStartup,
  bbrBandwidthStep,
  bufferbloat,
  fairness,
]
