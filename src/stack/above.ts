/**
 * What stands on a stack, of which the stack itself knows nothing. Kept apart from it: in the build the layer above is there before
 * the stack, which is loaded when something first connects or listens.
 */
export const above: {
  /** Makes `stack.net`. */
  netFor: ((stack: never) => unknown) | null
} = { netFor: null }
