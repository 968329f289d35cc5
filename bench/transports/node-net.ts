import { connect, createServer } from 'node:net'
import type { Net } from '../../src/index.ts'
import { netLike } from './net-like.ts'
import type { TransportKind } from './transport.ts'

/** The kernel's TCP: the measure of all the others. */
export const nodeNet: TransportKind = {
  name: 'net',
  label: 'node:net',
  // As they are now: the http measurement puts another `connect` in the place of `net.connect`.
  open: async () => netLike({ connect, createServer } as unknown as Net),
}
