import net from 'node:net'
import type { Net } from '../../src/index.ts'
import { netLike } from './net-like.ts'
import type { TransportKind } from './transport.ts'

/** The kernel's TCP: the measure of all the others. */
export const nodeNet: TransportKind = {
  name: 'net',
  label: 'node:net',
  open: async () => netLike(net as unknown as Net),
}
