export * from './checksum.ts'
export * from './codec.ts'
export * from './flags.ts'
export * from './format.ts'
export * from './frame.ts'
export {
  encodeOptions,
  MAX_WINDOW_SHIFT,
  OptionKind,
  optionsLength,
  parseOptions,
  userTimeoutField,
  userTimeoutSeconds,
} from './options.ts'
export * from './run.ts'
export * from './segment.ts'
export * from './seq.ts'
