/** The bytes of a stream that no shift, loss or doubling leaves intact: byte `i` of stream `key` depends on all of `i`. */
function patternByte(key: number, i: number): number {
  let x = Math.imul(i ^ key, 0x9e3779b1)
  x ^= x >>> 15
  return Math.imul(x, 0x85ebca6b) >>> 24
}

export function fillPattern(target: Buffer, key: number, from: number): Buffer {
  for (let i = 0; i < target.length; i++) target[i] = patternByte(key, from + i)
  return target
}

/** Where `data` first differs from the stream at `from`; −1: nowhere. */
export function patternMismatch(data: Buffer, key: number, from: number): number {
  for (let i = 0; i < data.length; i++) if (data[i] !== patternByte(key, from + i)) return from + i
  return -1
}
