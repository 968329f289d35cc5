import { nativeSockets } from '../tunnel/index.ts'

/** The option of a stack as the tunnel wants it. Throws on a bad value, and where offload is required and not to be had. */
export function checkOffload(option: unknown = 'auto'): 'auto' | 'off' {
  if (option === 'auto' || option === 'off') return option
  if (option !== 'require') {
    throw new TypeError(`offload is ${JSON.stringify(option)}: 'auto', 'off' or 'require' is wanted`)
  }
  if (nativeSockets() === null) {
    const message = "offload: 'require' needs Linux and the optional dependency koffi (npm install koffi)"
    throw Object.assign(new Error(message), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' })
  }
  return 'auto'
}
