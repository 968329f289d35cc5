import type { BatchPool } from './batch.ts'
import type { PathUser, TunnelOwner } from './datagrams.ts'
import type { MtuRule } from './mtu.ts'
import type { UdpPath } from './path.ts'
import type { MtuProber } from './path-mtu.ts'

/** What a path needs from the tunnel that it belongs to. */
export interface PathHost {
  readonly owner: TunnelOwner
  readonly pool: BatchPool
  readonly framed: boolean
  readonly mtu: MtuRule
  /** Null where nothing is searched for. */
  readonly mtuProber: MtuProber | null
  /** Bytes of the packet that the link of a local address takes. */
  linkMtu(localAddress: string): number
  /** Something was written: `flush` is to be called before the turn ends. */
  pathDirty(path: UdpPath): void
  /** It carries its first connection. */
  pathActive(path: UdpPath): void
  /** The last record let go and nothing waits to be sent. */
  pathIdle(path: UdpPath): void
  /** Impairment holds frames of this path. */
  pathDelayed(path: UdpPath): void
}

/** Before the owner knows of a path, and after it closed. */
export const NOBODY: PathUser = {
  segmentArrives() {},
  refused() {},
  unreachable() {},
  writable() {},
  maxSegmentChanged() {},
}
