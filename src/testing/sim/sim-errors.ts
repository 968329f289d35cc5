import { getSystemErrorMap } from 'node:util'

const ERRNO = new Map([...getSystemErrorMap()].map(([errno, [code]]) => [code, errno]))

/** The error that Node makes of a failed system call on an address, if one is given. */
export function systemError(code: string, syscall: string, address?: string, port?: number): NodeJS.ErrnoException {
  const at = address === undefined ? '' : port !== undefined && port > 0 ? ` ${address}:${port}` : ` ${address}`
  const error = Object.assign(new Error(`${syscall} ${code}${at}`), { errno: ERRNO.get(code), code, syscall })
  if (address !== undefined) Object.assign(error, { address })
  if (port !== undefined && port > 0) Object.assign(error, { port })
  return error
}

/** An error of Node's own, by its code. */
export function nodeError(code: string, message: string, Base: ErrorConstructor = Error): NodeJS.ErrnoException {
  return Object.assign(new Base(message), { code })
}
