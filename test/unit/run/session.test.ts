import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSession, type RunPlan, removeSession, Session, sessionFiles } from '../../../src/run/session.ts'

const PLAN: RunPlan = { impair: '', seed: 7, only: [], except: [], peers: [], capture: false, report: false }

function session(plan: RunPlan = PLAN): string {
  const folder = createSession(plan)
  onTestFinished(() => removeSession(folder))
  return folder
}

describe('a run', () => {
  it('numbers its processes, and gives each seeds of its own that are the same in every run', () => {
    const seeds = (): number[] => {
      const folder = session()
      const [one, other] = [new Session(folder), new Session(folder)]
      expect([one.ordinal, other.ordinal]).toEqual([1, 2])
      return [one.seedOf('program'), one.seedOf('inbound'), other.seedOf('program')]
    }
    const first = seeds()
    expect(new Set(first).size).toBe(3)
    expect(seeds()).toEqual(first)
  })

  it('knows the ports of its processes by every address that reaches them, until they are let go', () => {
    const folder = session()
    const [server, client] = [new Session(folder), new Session(folder)]
    const forget = server.note('127.0.0.1', 80)
    server.note('::', 81)
    server.note('0.0.0.0', 82)
    expect(client.listens('127.0.0.1', 80)).toBe(true)
    expect(client.listens('127.0.0.2', 80)).toBe(false)
    expect(client.listens('::1', 81)).toBe(true)
    expect(client.listens('127.0.0.1', 81)).toBe(true)
    expect(client.listens('192.0.2.1', 81)).toBe(false)
    expect(client.listens('::1', 82)).toBe(false)
    expect(client.listens('127.0.0.1', 8)).toBe(false)
    forget()
    expect(client.listens('127.0.0.1', 80)).toBe(false)
    server.forgetAll()
    expect(client.listens('::1', 81)).toBe(false)
  })

  it('does not believe a process that is gone', () => {
    const folder = session()
    const one = new Session(folder)
    // No system has so many.
    writeFileSync(join(folder, 'ports', '80,127.0.0.1,999999999,0'), '')
    expect(one.listens('127.0.0.1', 80)).toBe(false)
  })

  it('lists the files of its processes in their order', () => {
    const folder = session()
    for (const n of [10, 9, 1]) writeFileSync(join(folder, `report-${n}.json`), '')
    const found = sessionFiles(folder, 'report-')
    expect(found.map((file) => basename(file))).toEqual(['report-1.json', 'report-9.json', 'report-10.json'])
    expect(dirname(found[0] as string)).toBe(folder)
  })

  it('outlives its folder', () => {
    const folder = session()
    const one = new Session(folder)
    const forget = one.note('127.0.0.1', 80)
    removeSession(folder)
    expect(existsSync(folder)).toBe(false)
    expect(one.listens('127.0.0.1', 80)).toBe(false)
    forget()
    expect(readdirSync(dirname(folder))).not.toContain(basename(folder))
  })
})
