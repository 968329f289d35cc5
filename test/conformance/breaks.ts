// One way to break each tested rule: `scripts/break-rules.ts` tries whether its test notices. A snippet stands exactly once in its file, which the
// test beside this keeps true; whoever rewrites the code writes the break anew. The code so made need not be good, but it must load, and
// break the rule rather than everything.

export interface Break {
  readonly file: string
  readonly find: string
  readonly replace: string
}

const ACK_POLICY = 'src/tcp/ack-policy.ts'
const ACKNOWLEDGE = 'src/tcp/acknowledge.ts'
const ADDRESSES = 'src/tunnel/addresses.ts'
const ARRIVE = 'src/tcp/arrive.ts'
const CLOSE = 'src/tcp/close.ts'
const CODEC = 'src/wire/codec.ts'
const CONNECTION = 'src/tcp/connection.ts'
const FLOWS = 'src/stack/flows.ts'
const HANDSHAKE = 'src/tcp/handshake.ts'
const INFO = 'src/tcp/info.ts'
const ISN = 'src/stack/isn.ts'
const KEEPALIVE = 'src/tcp/keepalive.ts'
const LISTENERS = 'src/tunnel/listeners.ts'
const OPTIONS = 'src/wire/options.ts'
const PATH = 'src/tunnel/path.ts'
const PERSIST = 'src/tcp/persist.ts'
const REASSEMBLY = 'src/tcp/reassembly.ts'
const REFUSALS = 'src/tcp/refusals.ts'
const RENO = 'src/congestion/reno.ts'
const SENDER = 'src/tcp/sender.ts'
const SOFT_ERRORS = 'src/tcp/soft-errors.ts'
const OPENING = 'src/stack/opening.ts'
const STACK = 'src/stack/stack.ts'
const SYN_RECV = 'src/tcp/syn-recv.ts'
const SYSCTLS = 'src/stack/sysctl-table.ts'
const TIME_WAIT = 'src/tcp/time-wait.ts'
const TIMEOUT = 'src/tcp/timeout.ts'
const TRANSMIT = 'src/tcp/transmit.ts'
const WRITE = 'src/tcp/write.ts'
const TUNNEL = 'src/tunnel/tunnel.ts'
const UDP = 'src/tunnel/udp.ts'
const WINDOW = 'src/tcp/window.ts'

const at = (file: string, find: string, replace: string): Break => ({ file, find, replace })

export const breaks: Readonly<Record<string, Break>> = {
  'MUST-1': at(CODEC, 'readUint16(buffer, start + 14)', '(readUint16(buffer, start + 14) << 16) >> 16'),
  'MUST-4': at(OPTIONS, 'if (kind === EOL) return true', 'if (kind === EOL) return false'),
  'MUST-5': at(
    CODEC,
    'if (payloadStart === start + HEADER_LENGTH) return',
    'if (payloadStart === start + HEADER_LENGTH || (into.flags & 2) === 0) return',
  ),
  'MUST-6': at(
    OPTIONS,
    '    parseOption(buffer, at, kind, length, seg)',
    '    if (kind > 8 && kind < 28) return false\n    parseOption(buffer, at, kind, length, seg)',
  ),
  'MUST-7': at(
    OPTIONS,
    'if (length < 2 || at + length > end) return false',
    'if (length < 2 || at + length > end) return true',
  ),
  'MUST-8': at(ISN, 'Math.floor(nowUs / 4)', 'Math.floor(nowUs / 64)'),
  'MUST-9': at(ISN, 'new TupleHash(random.secret(16))', 'new TupleHash(Buffer.alloc(random.secret(16).length))'),
  'MUST-10': at(
    HANDSHAKE,
    '  c.synDue = true\n  c.timers.rexmit = now + c.rto\n}\n\n/** In SYN_RECV',
    '}\n\n/** In SYN_RECV',
  ),
  'MUST-11': at(SYN_RECV, 'seg.seq === rcvNxt ? SynVerdict.Refused', 'seg.seq === rcvNxt ? SynVerdict.Reset'),
  'MUST-12': at(
    ARRIVE,
    'default:\n      finish(c, CloseReason.Reset, now)',
    'default:\n      finish(c, CloseReason.Normal, now)',
  ),
  'MUST-14': at(HANDSHAKE, 'out.mss = c.advertisedMss', 'out.mss = -1'),
  'MUST-15': at(SENDER, 'DEFAULT_MSS_IPV4 = 536', 'DEFAULT_MSS_IPV4 = 1460'),
  'MUST-16': at(
    CONNECTION,
    'Math.min(this.peerMss, this.maxSegment - 20, this.userMss)',
    'Math.min(this.maxSegment - 20, this.userMss)',
  ),
  'MUST-17': at(SENDER, '!this.noDelay && !this.board.isEmpty', '!this.board.isEmpty'),
  'MUST-18': at(
    ACKNOWLEDGE,
    '    ack.rtt = -1\n    ack.newestRtt = -1\n',
    '    ack.rtt = 10_000\n    ack.newestRtt = 10_000\n',
  ),
  'MUST-19': at(RENO, 'this.cwnd < this.ssthresh ? this.slowStart(acked) : acked', 'acked'),
  'MUST-20': at(TIMEOUT, 'return elapsed >= retriesTimeUs(retries, rtoMax)', 'return false'),
  'MUST-21': at(TIMEOUT, 'if (c.userTimeoutMs > 0) return elapsed >= c.userTimeoutMs * 1000\n', ''),
  'MUST-22': at(HANDSHAKE, 'if (c.synRetries >= most || ', 'if (c.synRetries > most || '),
  'MUST-24': at(CONNECTION, 'this.timers.keepalive = on && lives', 'this.timers.keepalive = lives'),
  'MUST-25': at(KEEPALIVE, 'on = false', 'on = true'),
  'MUST-26': at(TIMEOUT, 'if (idle < time && keepalive.probesOut === 0) {', 'if (idle < 0) {'),
  'MUST-27': at(KEEPALIVE, '(this.time || sysctl.tcp_keepalive_time)', '7200'),
  'MUST-28': at(SYSCTLS, 'tcp_keepalive_time: number(7200,', 'tcp_keepalive_time: number(600,'),
  'MUST-29': at(TIMEOUT, 'keepalive.probesOut >= keepalive.maxProbes(sysctl)', 'keepalive.probesOut >= 1'),
  'MUST-31': at(
    ARRIVE,
    'seqAdd(seg.seq, seg.urgentPointer)',
    'seqAdd(seg.seq, Math.min(seg.urgentPointer, seg.payloadLength))',
  ),
  'MUST-32': at(ARRIVE, 'host.tracer?.urgentData?.(c.id, now, c.urgent)', ''),
  'MUST-33': at(INFO, 'urgent: c.urgent,', 'urgent: 0,'),
  'MUST-34': at(SENDER, 'const usable = seqDiff(', 'const usable = 0xffff & seqDiff('),
  'MUST-35': at(TRANSMIT, 'if (position !== board.head && !seqLt(segment.seq', 'if (!seqLt(segment.seq'),
  'MUST-36': at(TIMEOUT, 'else c.probeDue = true', 'else c.probeDue = false'),
  'MUST-37': at(ACKNOWLEDGE, '  if (c.persist !== null) c.persist.probesOut = 0\n', ''),
  'MUST-38': at(SENDER, 'return length < this.maxWindow / 2 || !this.board.isEmpty', 'return false'),
  'MUST-39': at(WINDOW, '    if (free - current < step) return current\n', ''),
  'MUST-40': at(
    ACK_POLICY,
    'return now + Math.min(this.ato, most, sysctl.tcp_delack_max_ms * 1000)',
    'return now + 600_000',
  ),
  'MUST-41': at(
    STACK,
    '    listener.open()\n',
    '    listener.open()\n    for (const flows of this.#flows) for (const endpoint of flows.endpoints()) endpoint.abort()\n',
  ),
  'MUST-42': at(
    STACK,
    '    listener.open()\n',
    "    for (const flows of this.#flows) for (const { localPort } of flows.endpoints()) if (localPort === port) return 'EADDRINUSE'\n    listener.open()\n",
  ),
  'MUST-43': at(OPENING, '      localAddress,\n      localPort: throughTunnel', '      localPort: throughTunnel'),
  'MUST-44': at(
    UDP,
    '      this.localAddress = this.#raw.address().address\n      this.connected = true\n',
    '      this.connected = true\n',
  ),
  'MUST-45': at(
    'src/tunnel/opener.ts',
    'if (!socket.connect(remote, remotePort)) {',
    'if (!socket.connect(remote, remotePort) || socket.disconnect() !== undefined) {',
  ),
  'MUST-46': at(
    ADDRESSES,
    "  if (isMulticast(canonical) || isClassE(canonical) || local.isBroadcast(canonical)) return 'ENETUNREACH'\n",
    '',
  ),
  'MUST-47': at(SOFT_ERRORS, '  c.host.tracer?.softError?.(c.id, now, reason)\n', ''),
  'MUST-49': at(UDP, 'if (options.ttl !== USUAL_TTL) attempt', 'if (options.ttl === 0) attempt'),
  'MUST-54': at(FLOWS, '      flow.connection.pathUnreachable(reason, nowUs)\n', ''),
  'MUST-56': at(REFUSALS, 'now - this.#firstAt >= REFUSED_FOR_US', 'now >= this.#firstAt'),
  'MUST-57': at(
    LISTENERS,
    'this.#host.openSocket(family, address, port, undefined, false, reusePort)',
    "this.#host.openSocket(family, family === 'IPv4' ? '0.0.0.0' : '::', port, undefined, false, reusePort)",
  ),
  'MUST-58': at(
    TRANSMIT,
    '  ackPolicy.onAckSent(host.sysctl)\n',
    '  if (length === 0) ackPolicy.onAckSent(host.sysctl)\n',
  ),
  'MUST-59': at(
    ARRIVE,
    '      if (result === Received.FilledGap || shouldAckNow(c)) ackPolicy.now = true\n',
    '      if (ackPolicy.now) ackPolicy.duplicates++\n      if (result === Received.FilledGap || shouldAckNow(c)) ackPolicy.now = true\n',
  ),
  'MUST-60': at(SENDER, '!this.board.isEmpty && seqGt(this.sndSml, this.sndUna)', 'this.sndSml !== this.iss'),
  'MUST-61': at(TRANSMIT, ' | (push ? Flag.PSH : 0)', ''),
  'MUST-62': at(ARRIVE, 'seqAdd(seg.seq, seg.urgentPointer)', 'seqAdd(seg.seq, seg.urgentPointer + 1)'),
  'MUST-63': at(TUNNEL, ' || isNobody(remoteAddress, this.local)', ''),
  'MUST-64': at(OPTIONS, 'seg.tsVal = readInt32(buffer, at + 2)', 'seg.tsVal = readInt32(buffer, (at + 5) & ~3)'),
  'MUST-65': at(TRANSMIT, '  if (timestamps.on) {', '  out.mss = c.advertisedMss\n  if (timestamps.on) {'),
  'MUST-66': at(
    ARRIVE,
    'if (seqLt(end, receiver.rcvWup) ||',
    'if (receiver.rcvWnd === 0 || seqLt(end, receiver.rcvWup) ||',
  ),
  'MUST-67': at(CONNECTION, 'this.#mostSegment) - 20, this.userMss', 'this.#mostSegment), this.userMss'),
  'MUST-68': at(OPTIONS, '    at += length\n', '    at += kind < 9 ? length : 1\n'),
  'MUST-69': at(
    OPTIONS,
    'if (kind === EOL) return true\n    if (kind === NOP) {',
    'if (kind === EOL || kind === NOP) {',
  ),
  'SHLD-1': at(ISN, 'toSeq(this.#hash.lo + Math.floor', 'toSeq(Math.floor'),
  'SHLD-2': at(ARRIVE, '  if (rst) {\n    onReset', '  if (rst) {\n    if (seg.payloadLength === 0) onReset'),
  'SHLD-3': at(
    CLOSE,
    'if (c.receiver.unread > 0 || c.receiver.reassembly.length > 0) {',
    'if (c.receiver.unread < 0) {',
  ),
  'SHLD-4': at(TIME_WAIT, ' || (record.timestamps && seg.hasTimestamps && seqLt(record.tsRecent, seg.tsVal))', ''),
  'SHLD-5': at(HANDSHAKE, 'out.mss = c.advertisedMss', 'out.mss = 536'),
  'SHLD-6': at(PATH, 'Math.min(this.#ruled, this.#refusedSize)', 'this.#ruled'),
  'SHLD-7': at(SENDER, 'return !this.noDelay && ', 'return this.cork && '),
  'SHLD-9': at(TIMEOUT, '  reportSoftError(c, CloseReason.TimedOut, now)\n', ''),
  'SHLD-10': at(SYSCTLS, 'tcp_retries1: number(3,', 'tcp_retries1: number(1,'),
  'SHLD-11': at(TIMEOUT, ' * RTO_MIN_US + (retries - linear) * rtoMaxUs', ' * RTO_MIN_US'),
  'SHLD-12': at(
    WRITE,
    'const size = header + length',
    'const size = header + length + (length === 0 && ((out.seq - c.sender.sndUna) | 0) < 0 ? 1 : 0)',
  ),
  'SHLD-14': at(WINDOW, 'if (unread + up * unit <= ', 'if (unread < 0 && unread + up * unit <= '),
  'SHLD-15': at(
    SENDER,
    'seqDiff(seqAdd(this.sndUna, this.sndWnd), this.sndNxt)',
    'seqDiff(seqAdd(this.sndUna, this.maxWindow), this.sndNxt)',
  ),
  'SHLD-16': at(
    TRANSMIT,
    'if (position !== board.head && !seqLt(segment.seq',
    'if (position < board.head && !seqLt(segment.seq',
  ),
  'SHLD-17': at(TIMEOUT, 'if (c.sender.sndWnd === 0 && !c.orphan) {', 'if (c.sender.sndWnd < 0) {'),
  'SHLD-18': at(ARRIVE, 'return receiver.ackPending > receiver.rcvMss', 'return true'),
  'SHLD-19': at(ARRIVE, 'return receiver.ackPending > receiver.rcvMss', 'return false'),
  'SHLD-20': at(SOFT_ERRORS, '  c.host.tracer?.softError?.(', '  c.post(2)\n  c.host.tracer?.softError?.('),
  'SHLD-25': at(INFO, 'soft_error: softErrorCode(c.softError),', "soft_error: '',"),
  'SHLD-27': at(TRANSMIT, 'const last = length === sender.notSent', 'const last = true'),
  'SHLD-28': at(SENDER, 'let length = Math.min(unsent, usable, limit)', 'let length = Math.min(unsent, usable, 333)'),
  'SHLD-29': at(PERSIST, 'Math.min(rtt.rtoBase(most)', 'Math.min(2 * rtt.rtoBase(most)'),
  'SHLD-30': at(PERSIST, ' * 2 ** (persist?.backoff ?? 0)', ''),
  'SHLD-31': at(REASSEMBLY, 'if (pieces.length >= MAX_PIECES) return', 'if (pieces.length >= 0) return'),
  'MAY-1': at(ARRIVE, 'if (c.orphan && seqGt(', 'if (c.orphan && c.passive && seqGt('),
  'MAY-2': at(TIME_WAIT, 'seqGt(seg.seq, record.rcvNxt) || ', ''),
  'MAY-3': at(HANDSHAKE, 'out.mss = c.advertisedMss', 'if (c.advertisedMss !== 536) out.mss = c.advertisedMss'),
  'MAY-5': at(TIMEOUT, '  c.probeDue = true\n  timers.keepalive', '  timers.keepalive'),
  'MAY-7': at(TRANSMIT, 'if (position !== board.head && !seqLt(segment.seq', 'if (!seqLt(segment.seq'),
  'MAY-8': at(ARRIVE, 'mib.TCPZeroWindowDrop++', 'finish(c, CloseReason.TimedOut, now)'),
  'MAY-12': at(ACKNOWLEDGE, 'if (!seqLt(una, oldestAck(sender))) return true', 'return true'),
  'MAY-13': at(
    ARRIVE,
    '      ackPolicy.enterQuickMode(receiver.rcvWnd, receiver.rcvMss, 16, host.sysctl)\n      ackPolicy.now = true\n',
    '      ackPolicy.scheduled = true\n',
  ),
  'MAY-16': at(SENDER, '    if (this.cork) return true\n', ''),
  'MAY-18': at(CONNECTION, 'options.congestionControl ?? sysctl.tcp_congestion_control', "'reno'"),
  'REC-1': at(ACKNOWLEDGE, 'seg.wnd << sender.sndWindShift', '(seg.wnd << sender.sndWindShift) & 0xffff'),
}
