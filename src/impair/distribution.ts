import { type FieldReader, invalidValue } from './values.ts'

/** The number in a table that stands for one jitter, as in netem's. */
const SCALE = 8192
const ENTRIES = 4096
const MAX_ENTRIES = 16_384
const MAX_VALUE = 32_767
const MIN_VALUE = -32_768

export type DistributionName = 'uniform' | 'normal' | 'pareto' | 'paretonormal'

/** How jitter is spread. */
export interface Distribution {
  /** A name, or the name of the file; null: the numbers themselves were given. */
  readonly source: string | null
  /** What is added to the delay, each as probable as any other, `SCALE` being one jitter; null: anything from −jitter to +jitter. */
  readonly table: readonly number[] | null
}

export const UNIFORM: Distribution = { source: 'uniform', table: null }

// Inverses of the distribution functions at evenly spaced points, cut off at what 16 bits hold: four times the jitter. The
// same construction as the tables that iproute2 installs, so that a delay here is one that netem would give.

function normalTable(): number[] {
  return Array.from({ length: ENTRIES }, (_, i) => clamp(inverseNormal((4 * i + 0.5) / (4 * ENTRIES)) * SCALE))
}

/** Shape 3; netem scales it by 4/3, which is not its standard deviation but close to it. */
function paretoTable(): number[] {
  return Array.from({ length: ENTRIES }, (_, i) => clamp(((1 - i / ENTRIES) ** (-1 / 3) - 1.5) * (4 / 3) * SCALE))
}

/** A quarter normal, three quarters Pareto. */
function paretoNormalTable(): number[] {
  const pareto = paretoTable()
  return normalTable().map((value, i) => clamp(Math.trunc((value + 3 * pareto[i]) / 4)))
}

const clamp = (value: number): number => Math.min(MAX_VALUE, Math.max(MIN_VALUE, Math.round(value)))

const TABLES: Record<Exclude<DistributionName, 'uniform'>, () => number[]> = {
  normal: normalTable,
  pareto: paretoTable,
  paretonormal: paretoNormalTable,
}
const made = new Map<string, readonly number[]>()

/** The table of a name; made once. */
export function distributionTable(name: Exclude<DistributionName, 'uniform'>): readonly number[] {
  let table = made.get(name)
  if (table === undefined) {
    table = TABLES[name]()
    made.set(name, table)
  }
  return table
}

/** A name, numbers, or the name of a file in the format of iproute2's `.dist` files. */
export function parseDistribution(reader: FieldReader, name: string, field: string, value: unknown): Distribution {
  const allowed =
    "'uniform', 'normal', 'pareto', 'paretonormal', a list of numbers (8192 is one jitter) or the name of a file"
  if (value === undefined) return UNIFORM
  if (typeof value === 'string') {
    const known = value.trim().toLowerCase()
    if (known === 'uniform') return UNIFORM
    if (Object.hasOwn(TABLES, known)) {
      return { source: known, table: distributionTable(known as keyof typeof TABLES) }
    }
    // Neither a path nor a number: a misspelt name rather than a file.
    if (/^[a-z]+$/i.test(known)) throw invalidValue(field, value, allowed)
    if (/^-?\d/.test(known)) return parseDistribution(reader, name, field, known.split(/\s+/).map(Number))
    const numbers = reader.file(name, value).replace(/#.*$/gm, '').split(/\s+/).filter(Boolean).map(Number)
    return { source: value, table: checkTable(field, value, numbers, allowed) }
  }
  if (!Array.isArray(value)) throw invalidValue(field, value, allowed)
  return { source: null, table: checkTable(field, value, value, allowed) }
}

function checkTable(field: string, value: unknown, numbers: readonly unknown[], allowed: string): readonly number[] {
  const right = (n: unknown): boolean => typeof n === 'number' && n >= MIN_VALUE && n <= MAX_VALUE
  if (numbers.length < 1 || numbers.length > MAX_ENTRIES || !numbers.every(right)) {
    throw invalidValue(field, value, `${allowed} with 1 to ${MAX_ENTRIES} numbers from ${MIN_VALUE} to ${MAX_VALUE}`)
  }
  return numbers as readonly number[]
}

export const formatDistribution = ({ source, table }: Distribution): string => source ?? (table ?? []).join(' ')

/** Where a number that is uniform in [0, 1) lies in units of the jitter. */
export function spread({ table }: Distribution, u: number): number {
  return table === null ? 2 * u - 1 : table[Math.floor(u * table.length)] / SCALE
}

/** The argument at which the normal distribution function is `p`: Acklam's rational approximation, right to 1e-9. */
function inverseNormal(p: number): number {
  const tail = 0.024_25
  if (p > 1 - tail) return -inverseNormal(1 - p)
  if (p < tail) {
    const q = Math.sqrt(-2 * Math.log(p))
    return horner(C, q) / (horner(D, q) * q + 1)
  }
  const q = p - 0.5
  return (horner(A, q * q) * q) / (horner(B, q * q) * q * q + 1)
}

const horner = (coefficients: readonly number[], x: number): number => coefficients.reduce((sum, c) => sum * x + c, 0)
const A = [
  -39.696_830_286_653_76, 220.946_098_424_520_5, -275.928_510_446_968_7, 138.357_751_867_269, -30.664_798_066_147_16,
  2.506_628_277_459_239,
]
const B = [
  -54.476_098_798_224_06, 161.585_836_858_040_9, -155.698_979_859_886_6, 66.801_311_887_719_72, -13.280_681_552_885_72,
]
const C = [
  -0.007_784_894_002_430_293, -0.322_396_458_041_136_5, -2.400_758_277_161_838, -2.549_732_539_343_734,
  4.374_664_141_464_968, 2.938_163_982_698_783,
]
const D = [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416]
