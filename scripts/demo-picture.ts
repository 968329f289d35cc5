// Makes docs/demo.svg, the picture of the README, from a run of the demo: `tsx scripts/demo-picture.ts [demo's options]`.

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const COLUMN = 7.85
const LINE = 17
const MARGIN = 18

const root = fileURLToPath(new URL('..', import.meta.url))
const demo = spawn(process.execPath, ['--import', 'tsx', 'examples/demo.ts', ...process.argv.slice(2)], { cwd: root })
let output = ''
demo.stdout.setEncoding('utf8').on('data', (text: string) => {
  output += text
  process.stdout.write(text)
})
demo.stderr.pipe(process.stderr)
demo.on('close', (code) => {
  if (code !== 0) {
    process.exitCode = 1
    return
  }
  const lines = [
    `$ npm run demo${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`,
    ...output.trimEnd().split('\n'),
  ]
  writeFileSync(new URL('../docs/demo.svg', import.meta.url), picture(lines))
})

function picture(lines: string[]): string {
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * COLUMN) + 2 * MARGIN
  const height = lines.length * LINE + 2 * MARGIN
  const text = lines.map((line, i) => {
    const fill = i === 0 ? '#7ee787' : '#e6edf3'
    return `<text x="${MARGIN}" y="${MARGIN + (i + 0.75) * LINE}" fill="${fill}" xml:space="preserve">${escapeXml(line)}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
    ` font-family="ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, monospace" font-size="13">`,
    '<title>A run of npm run demo</title>',
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    ...text,
    '</svg>\n',
  ].join('\n')
}

const escapeXml = (line: string): string => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
