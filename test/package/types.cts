import net = require('sluice')

import type { Socket } from 'sluice'
import { connect, Stack } from 'sluice'

const one: Socket = connect(7, '127.0.0.1')
const other: net.Socket = net.connect({ port: 7 })
const third: net.default.Socket = net.default.connect(7)
const stack: net.Stack = new Stack({ seed: 42 })
const server: net.Server = net.createServer((socket) => socket.end())
// @ts-expect-error A port is no object of this shape.
connect({ nonsense: true })

export const seen: unknown[] = [one, other, third, stack, server]
