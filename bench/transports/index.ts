import { nodeNet } from './node-net.ts'
import { sluice } from './sluice.ts'
import type { TransportKind } from './transport.ts'
import { udx } from './udx.ts'
import { utp } from './utp.ts'

export type { Address, Connection, Transport, TransportKind, TransportOptions, Variant } from './transport.ts'

/** In the order of the table's columns. */
export const transportKinds: readonly TransportKind[] = [nodeNet, sluice, udx, utp]
