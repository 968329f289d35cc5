import { MBIT } from '../bulk.ts'
import type { Experiment } from '../experiment.ts'
import type { Curve } from '../plot.ts'

const CONTROLLERS = ['reno', 'cubic', 'westwood', 'bbr'] as const
const RTT_MS = 100
const FULL = { rate: 100 * MBIT, seconds: 60, loss: [0, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5] }
const FEW = ['cubic', 'bbr'] as const
const SHORT = { rate: 20 * MBIT, seconds: 6, loss: [0, 0.01, 0.15] }

const percent = (part: number): string => `${Number((100 * part).toPrecision(3))} %`

export const ccCompare: Experiment = {
  name: 'cc-compare',
  chapter: 'Congestion',
  setting:
    'bulk transfers over 100 Mbit/s (in short: 20) and 100 ms, each with another controller, at random loss of 0 % to 50 %; buffers to 32 MiB',
  shows:
    'cubic falls below 15 % of what it does without loss at 1 %; bbr has 85 % of what arrives up to 5 %, and 60 % of the rate at 15 %',
  bulk: true,
  takes: ['loss', 'seconds'],
  async run(scene) {
    const { full = false, seconds, loss } = scene.settings
    const isFull = full || seconds !== undefined || loss !== undefined
    const setting = { ...(isFull ? FULL : SHORT), ...(seconds && { seconds }), ...(loss && { loss }) }
    const losses = [...setting.loss].sort((a, b) => a - b)
    const { rate } = setting
    const controllers: readonly string[] = isFull ? CONTROLLERS : FEW
    const rows: number[][] = []
    scene.note(`goodput, Mbit/s, over ${rate / MBIT} Mbit/s and ${RTT_MS} ms, ${setting.seconds} s each:`)
    scene.note(`| loss | ${controllers.join(' | ')} |`)
    scene.note(`|---${'|---:'.repeat(controllers.length)}|`)
    for (const probability of losses) {
      const row = controllers.map((congestionControl) => {
        const run = scene.flows(isFull ? null : `${congestionControl}-${probability * 100}`, {
          ...{ rate, rttMs: RTT_MS, queue: (rate / 8) * (RTT_MS / 1000), loss: probability },
          flows: [{ congestionControl }],
        })
        const [goodput] = run.goodput(setting.seconds * 1000)
        scene.done(run)
        return goodput / MBIT
      })
      rows.push([probability, ...row])
      scene.note(`| ${percent(probability)} | ${row.map((value) => value.toFixed(2)).join(' | ')} |`)
    }
    const of = (controller: string, probability: number): number | undefined =>
      rows.find(([at]) => at === probability)?.[1 + controllers.indexOf(controller)]

    const [without, with1] = [of('cubic', 0), of('cubic', 0.01)]
    if (without !== undefined && with1 !== undefined) {
      const part = with1 / without
      scene.check('cubic at 1 % loss: less than 15 % of its goodput without', part < 0.15, percent(part))
    }
    for (const probability of losses.filter((one) => one <= 0.05)) {
      const part = ((of('bbr', probability) ?? 0) * MBIT) / ((1 - probability) * rate)
      scene.check(
        `bbr at ${percent(probability)} loss: at least 85 % of the rate that arrives`,
        part >= 0.85,
        percent(part),
      )
    }
    const with15 = of('bbr', 0.15)
    if (with15 !== undefined) {
      const part = (with15 * MBIT) / rate
      scene.check('bbr at 15 % loss: at least 60 % of the rate', part >= 0.6, percent(part))
    }
    for (const probability of losses.filter((one) => one >= 0.01 && one <= 0.15)) {
      const others = controllers.filter((one) => one !== 'bbr').map((one) => of(one, probability) ?? 0)
      const [bbr = 0, best] = [of('bbr', probability), Math.max(...others)]
      scene.check(
        `bbr at ${percent(probability)} loss: more than twice the best of the others`,
        bbr > 2 * best,
        `${bbr.toFixed(2)}, ${best.toFixed(2)} Mbit/s`,
      )
    }

    const lossy = rows.filter(([probability]) => probability > 0)
    const curves = controllers.map(
      (name, i): Curve => ({ name, shape: 'marked', points: lossy.map((row) => [100 * row[0], row[1 + i]]) }),
    )
    scene.graph('', curves, {
      title: `goodput under random loss: ${rate / MBIT} Mbit/s, ${RTT_MS} ms, ${setting.seconds} s each`,
      unit: 'goodput, Mbit/s',
      across: 'loss, %',
      acrossLogarithmic: true,
    })
    scene.csv('', ['loss', ...controllers], rows)
  },
}
