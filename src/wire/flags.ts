/** Control bits of the TCP header (rfc9293#3.1), AE as the ninth (rfc9768#3.1). */
export const Flag = {
  FIN: 0x001,
  SYN: 0x002,
  RST: 0x004,
  PSH: 0x008,
  ACK: 0x010,
  URG: 0x020,
  ECE: 0x040,
  CWR: 0x080,
  AE: 0x100,
} as const
