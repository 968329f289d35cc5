import { type DirectionFields, Impairment, readImpairFile } from '../stack/index.ts'
import { ApiError, badBody, type Fields, field, requireFields } from './errors.ts'

export type Stream = 'upstream' | 'downstream'

/** What is done to the connections of a proxy in one direction: on the stream of bytes, or (`packet_…`) on the packets below it. */
export interface Toxic {
  name: string
  readonly type: string
  readonly stream: Stream
  /** Which share of the connections it is for. */
  toxicity: number
  attributes: Record<string, unknown>
}

/** toxiproxy's own, with their attributes, all numbers that are 0 unless given. */
const STREAM_TOXICS: Record<string, readonly string[]> = {
  noop: [],
  latency: ['latency', 'jitter'],
  bandwidth: ['rate'],
  slow_close: ['delay'],
  timeout: ['timeout'],
  reset_peer: ['timeout'],
  slicer: ['average_size', 'size_variation', 'delay'],
  limit_data: ['bytes'],
}

/** Ours, with the members of an impairment that they take; null: any. */
const PACKET_TOXICS: Record<string, readonly (keyof DirectionFields)[] | null> = {
  packet_loss: ['loss', 'burst', 'ecn'],
  packet_delay: ['delay', 'jitter', 'distribution', 'limit'],
  packet_duplicate: ['duplicate'],
  packet_reorder: ['reorder', 'delay', 'jitter'],
  packet_corrupt: ['corrupt'],
  packet_rate: ['rate', 'link', 'queue'],
  packet_slot: ['slot'],
  packet_mtu: ['mtu'],
  packet_blackhole: ['blackhole'],
  packet_reset: ['reset'],
  packet_impair: null,
}

const isPacketToxic = ({ type }: Toxic): boolean => Object.hasOwn(PACKET_TOXICS, type)

/** A toxic from the body of a request. */
export function parseToxic(body: unknown): Toxic {
  const fields = requireFields(body)
  const type = field(fields, 'type', 'string') ?? ''
  const stream = (field(fields, 'stream', 'string') ?? 'downstream').toLowerCase()
  if (stream !== 'upstream' && stream !== 'downstream') {
    throw new ApiError('stream was invalid, can be either upstream or downstream', 400)
  }
  if (!Object.hasOwn(STREAM_TOXICS, type) && !Object.hasOwn(PACKET_TOXICS, type)) {
    throw new ApiError('invalid toxic type', 400)
  }
  const name = field(fields, 'name', 'string') || `${type}_${stream}`
  const toxic: Toxic = { name, type, stream, toxicity: 1, attributes: {} }
  for (const attribute of STREAM_TOXICS[type] ?? []) toxic.attributes[attribute] = 0
  if (type === 'packet_blackhole') toxic.attributes.blackhole = true
  updateToxic(toxic, fields)
  return toxic
}

/** Toxicity and attributes of a body, into a toxic; it is as it was where something is wrong. */
export function updateToxic(toxic: Toxic, body: unknown): void {
  const fields = requireFields(body)
  const toxicity = field(fields, 'toxicity', 'number') ?? toxic.toxicity
  if (!(toxicity >= 0 && toxicity <= 1)) throw badBody('toxicity must be from 0 to 1')
  const own = requireFields(fields.attributes ?? {})
  const attributes = { ...toxic.attributes, ...own }
  if (isPacketToxic(toxic)) checkMembers(toxic.type, attributes)
  else checkNumbers(toxic.type, own)
  toxic.toxicity = toxicity
  toxic.attributes = attributes
}

function checkNumbers(type: string, attributes: Fields): void {
  for (const [name, value] of Object.entries(attributes)) {
    // As with toxiproxy what it does not know is let be.
    if (!STREAM_TOXICS[type].includes(name)) continue
    if (typeof value !== 'number' || !(value >= 0)) throw badBody(`${name} must be a number that is not below 0`)
  }
}

function checkMembers(type: string, attributes: Fields): void {
  const members: readonly string[] | null = PACKET_TOXICS[type]
  for (const name of Object.keys(attributes)) {
    if (members !== null && !members.includes(name))
      throw badBody(`${type} has no attribute '${name}', but ${members.join(', ')}`)
  }
  try {
    Impairment.parse({ out: attributes as DirectionFields }, { readFile: readImpairFile })
  } catch (error) {
    throw badBody((error as Error).message)
  }
}

/** The impairment that the packet toxics of one direction make together. */
export function impairmentOf(toxics: readonly Toxic[]): DirectionFields {
  return Object.assign({}, ...toxics.filter(isPacketToxic).map(({ attributes }) => attributes)) as DirectionFields
}

/** A number among the attributes. */
export const attribute = ({ attributes }: Toxic, name: string): number => Number(attributes[name] ?? 0)
