/** An answer of the API that is not what was asked for: toxiproxy's messages and statuses. */
export class ApiError extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

export const badBody = (why: string): ApiError => new ApiError(`bad request body: ${why}`, 400)
export const missingField = (field: string): ApiError => new ApiError(`missing required field: ${field}`, 400)

export type Fields = Readonly<Record<string, unknown>>

export function requireFields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw badBody('an object is wanted')
}

type Named = { string: string; number: number; boolean: boolean }

/** A member of a body; absent where it is not there. */
export function field<T extends keyof Named>(fields: Fields, name: string, type: T): Named[T] | undefined {
  const value = fields[name] ?? undefined
  if (value !== undefined && typeof value !== type) throw badBody(`${name} must be a ${type}`)
  return value as Named[T] | undefined
}
