// `--require` of every Node process of a run.
import { takePart } from './start.ts'

takePart()
