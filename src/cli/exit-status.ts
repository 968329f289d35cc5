/** Exit statuses of every `sluice` command, as far as a command that imitates another tool does not bring that tool's own. */
export const ExitStatus = {
  /** Done as asked. */
  Ok: 0,
  /** Understood, tried and failed: refused, timed out, not found. */
  Failed: 1,
  /** Not understood: an unknown command or option, a value that makes no sense. Nothing was tried. */
  Usage: 2,
} as const
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus]
