import { requireBoolean } from './chance.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { invalidValue, parseSize } from './values.ts'

export interface OutageFields {
  /** Nothing gets through; `in: { blackhole: true }` for one way. Default false. */
  blackhole?: boolean | string
  /** Packets of more bytes than this, IP and UDP headers counted, vanish without a word. 0: none. */
  mtu?: number | string
}

export interface BlackholeConfig {
  readonly on: true
}

class BlackholeStage extends Stage<BlackholeConfig> {
  override push(frame: Frame, nowUs: number): void {
    this.drop(frame, 'blackhole', nowUs)
  }
}

export const blackhole: StageType<BlackholeConfig> = {
  name: 'blackhole',
  fields: ['blackhole'],
  parse: (reader) => (requireBoolean(reader.label('blackhole'), reader.raw('blackhole')) ? { on: true } : null),
  format: () => ({ blackhole: 'true' }),
  create: (environment) => new BlackholeStage(environment),
}

export interface MtuConfig {
  readonly bytes: number
}

class MtuStage extends Stage<MtuConfig> {
  override push(frame: Frame, nowUs: number): void {
    const { bytes } = this.config as MtuConfig
    if (frame.length + (this.options.overhead ?? 0) > bytes) this.drop(frame, `mtu=${bytes}`, nowUs)
    else this.next.push(frame, nowUs)
  }
}

export const mtu: StageType<MtuConfig> = {
  name: 'mtu',
  fields: ['mtu'],
  parse(reader) {
    const value = reader.raw('mtu') ?? 0
    if (value === 0 || value === '0') return null
    const bytes = parseSize(reader.label('mtu'), value)
    // rfc791#3.1: every module must be able to forward 68 bytes.
    if (bytes < 68) throw invalidValue(reader.label('mtu'), value, 'a number of bytes from 68 on')
    return { bytes }
  },
  format: ({ bytes }) => ({ mtu: String(bytes) }),
  create: (environment) => new MtuStage(environment),
}
