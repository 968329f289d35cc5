export * from './checksum.ts'
export * from './codec.ts'
export * from './flags.ts'
export * from './format.ts'
export * from './frame.ts'
export {
  EXID_CHECKSUM_OFFLOAD,
  EXID_FAST_OPEN,
  encodeOptions,
  MAX_COOKIE_LENGTH,
  MAX_SACK_BLOCKS,
  MAX_WINDOW_SHIFT,
  MIN_COOKIE_LENGTH,
  OptionKind,
  optionsLength,
  parseOptions,
  userTimeoutField,
  userTimeoutSeconds,
} from './options.ts'
export * from './run.ts'
export * from './segment.ts'
export * from './seq.ts'
