import { describe, expect, it } from 'vitest'
import { congestionControlNames, registerCongestionControl } from '../../../src/congestion/index.ts'
import { congestionControlProblem } from '../../../src/stack/congestion.ts'
import { newSysctl } from '../../../src/stack/new-sysctl.ts'

describe('which congestion controls there are', () => {
  it('tcp_available_congestion_control lists them, with those that programs register, and cannot be set', () => {
    const sysctl = newSysctl()
    expect(sysctl.tcp_available_congestion_control).toBe(congestionControlNames().join(' '))
    registerCongestionControl('late', () => {
      throw new Error('not made here')
    })
    expect(sysctl.get('tcp_available_congestion_control')).toMatch(/\breno cubic\b.* late$/)
    expect(sysctl.text('net.ipv4.tcp_available_congestion_control')).toBe(sysctl.tcp_available_congestion_control)
    expect(() => {
      sysctl.tcp_available_congestion_control = 'reno'
    }).toThrow(
      'sysctl tcp_available_congestion_control = "reno": must not be set: congestion controls are registered by programs',
    )
  })

  it('tcp_allowed_congestion_control says which of them connections may choose, besides the default', () => {
    const sysctl = newSysctl()
    sysctl.assign({ tcp_congestion_control: 'cubic' })
    expect(sysctl.tcp_allowed_congestion_control).toBe(sysctl.tcp_available_congestion_control)
    expect(congestionControlProblem('bbr', sysctl.values)).toBeNull()
    sysctl.tcp_allowed_congestion_control = 'reno  vegas'
    expect(sysctl.tcp_allowed_congestion_control).toBe('reno vegas')
    expect(congestionControlProblem('vegas', sysctl.values)).toBeNull()
    expect(congestionControlProblem('cubic', sysctl.values)).toBeNull()
    expect(congestionControlProblem('bbr', sysctl.values)).toEqual({
      code: 'EPERM',
      text: "tcp_allowed_congestion_control does not allow 'bbr'; allowed: reno vegas",
    })
    expect(() => sysctl.assign({ tcp_allowed_congestion_control: 'reno nothing' })).toThrow(
      /tcp_allowed_congestion_control = "nothing": no congestion control is registered by that name; available: reno /,
    )
  })

  it('a name that there is not is refused with those that there are', () => {
    const { values } = newSysctl()
    expect(congestionControlProblem('nothing', values)).toMatchObject({
      code: 'ENOENT',
      text: expect.stringMatching(/^no congestion control is registered as 'nothing'; available: reno cubic bbr/),
    })
  })

  it('so are settings that it does not take', () => {
    const { values } = newSysctl()
    expect(congestionControlProblem('fixed', values, { cwnd: 10_000 })).toBeNull()
    expect(() => congestionControlProblem('fixed', values, { cwnd: -1 })).toThrow(TypeError)
  })
})
