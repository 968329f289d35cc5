import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { printReport } from '../../../src/cli/run-report.ts'
import { createSession, emptyTraffic, type ProcessReport, type RunPlan, removeSession } from '../../../src/run/index.ts'
import { captureOutput } from '../../support/output.ts'

const output = captureOutput()
const PLAN: RunPlan = { impair: 'loss=5%', seed: 7, only: [], except: [], peers: [], capture: false, report: true }

it('tells what was injected, and apart from it what this machine lost', () => {
  const folder = createSession(PLAN)
  onTestFinished(() => removeSession(folder))
  const part: Omit<ProcessReport, 'ordinal'> = {
    pid: 1,
    command: ['node'],
    traffic: [emptyTraffic('127.0.0.1:80')],
    injected: [],
    udp: { received: 1000, overflowed: 0, unsent: 0 },
  }
  const write = (ordinal: number, more: Partial<ProcessReport>): void =>
    writeFileSync(join(folder, `report-${ordinal}.json`), JSON.stringify({ ordinal, ...part, ...more }))
  write(1, {})
  printReport(folder, PLAN, 'text', undefined)
  expect(output.err).toContain('sluice run: loss=5%, seed 7, 1 process\n')
  expect(output.err).not.toContain('not injected')
  write(2, { udp: { received: 90, overflowed: 8, unsent: 2 } })
  printReport(folder, PLAN, 'text', undefined)
  expect(output.err).toContain(
    'not injected, UDP of this machine: of 1098 datagrams 8 found no room in a socket’s receive buffer, 2 could not be sent\n',
  )
  printReport(folder, PLAN, 'json', undefined)
  expect(JSON.parse(output.err.slice(output.err.lastIndexOf('{"seed"'))).udp).toEqual({
    received: 1090,
    overflowed: 8,
    unsent: 2,
  })
})
