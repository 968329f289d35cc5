import type { Experiment } from './experiment.ts'
import { buffers, closedWindows } from './experiments/buffers.ts'
import { crash, handshakesOfClosing } from './experiments/closing.ts'
import { congestion } from './experiments/congestion.ts'
import { opening } from './experiments/opening.ts'
import { orphaned } from './experiments/orphans.ts'
import { retransmission } from './experiments/retransmission.ts'
import { smallPackets } from './experiments/small-packets.ts'
import { timeWaits } from './experiments/time-wait.ts'

export { CHAPTERS, type Experiment, type Settings } from './experiment.ts'
export { curvesPlot, panelsPlot } from './panels.ts'
export { sequencePlot } from './plot.ts'
export { canBeReal, type RunResult, runExperiment } from './run.ts'

/** All experiments, in the order of the chapters. */
export const experiments: readonly Experiment[] = [
  ...opening,
  ...retransmission,
  ...closedWindows,
  ...smallPackets,
  ...buffers,
  ...handshakesOfClosing,
  ...orphaned,
  ...timeWaits,
  crash,
  ...congestion,
]
