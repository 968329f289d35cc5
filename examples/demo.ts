// The demo, `npm run demo`: two processes, and between them a path that loses packets. One serves a directory over `node:http` on
// a sluice server; this one fetches a file from it, shows what TCP does meanwhile, and verifies SHA-256.
//
//   npm run demo                                                4 MiB, 5 % loss in each direction, 40 ms round trip
//   npm run demo -- --loss 2% --delay 100ms --size 256M         another path, another size
//   npm run demo -- --no-impair                                 nothing in the way: sluice beside `node:net`

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { fetchFile, type Transfer } from './demo/fetch.ts'
import { digestOf, makeFile } from './demo/files.ts'
import { serve } from './demo/serve.ts'
import { Origin } from './demo/origin.ts'
import { Meter } from './demo/meter.ts'
import { impairedReport, plainReport } from './demo/report.ts'
import { bytesText, parseShare, parseSize, parseTime } from './demo/units.ts'
