import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import {
  parseSysctlFile,
  parseSysctlLine,
  parseSysctlValue,
  Sysctl,
  SysctlError,
  sysctlNames,
  sysctlRange,
} from '../../../src/stack/sysctl.ts'
import { type Row, type SysctlName, type SysctlValues, sysctlTable } from '../../../src/stack/sysctl-table.ts'
import type { TcpSysctl } from '../../../src/tcp/host.ts'
import type { TunnelSettings } from '../../../src/tunnel/datagrams.ts'

const rows = Object.entries(sysctlTable) as [SysctlName, Row][]

describe('the parameter table', () => {
  it('has a meaning, a source and a lawful default in every row', () => {
    for (const [name, row] of rows) {
      expect(row.meaning, name).toMatch(/^\S.{8,110}$/)
      expect(row.source, name).toMatch(/^(rfc\d+|net\/|ours)/)
      expect(parseSysctlValue(name, row.default), name).toEqual(row.default)
    }
  })

  it('is what connections and the tunnel ask of it', () => {
    const values: TcpSysctl & TunnelSettings = new Sysctl().values
    expect(values.tcp_retries2).toBe(15)
    expect(values.tcp_limit_output_bytes).toBe(4_194_304)
  })

  it('is no hash table, which each segment would ask many times', () => {
    setFlagsFromString('--allow-natives-syntax')
    const isFast = new Function('object', 'return %HasFastProperties(object)')
    setFlagsFromString('--no-allow-natives-syntax')
    const table = { ...Object.fromEntries(sysctlNames.map((name) => [name, 0])) }
    delete table.tcp_rmem
    expect(isFast(table)).toBe(false)
    expect(isFast(new Sysctl().values)).toBe(true)
    expect(isFast(new Sysctl({ defaults: { tcp_retries2: 3 } }).values)).toBe(true)
  })

  it("has Linux's defaults", () => {
    const { values } = new Sysctl()
    expect(values).toMatchObject({
      tcp_syn_retries: 6,
      tcp_synack_retries: 5,
      tcp_retries1: 3,
      tcp_retries2: 15,
      tcp_orphan_retries: 0,
      tcp_fin_timeout: 60,
      tcp_timewait_len: 60,
      tcp_tw_reuse: 2,
      tcp_rto_min_us: 200_000,
      tcp_rto_max_ms: 120_000,
      tcp_rmem: [4096, 131_072, 6_291_456],
      tcp_wmem: [4096, 16_384, 4_194_304],
      tcp_keepalive_time: 7200,
      tcp_keepalive_intvl: 75,
      tcp_keepalive_probes: 9,
      somaxconn: 4096,
      tcp_invalid_ratelimit: 500,
      ip_local_port_range: [32_768, 60_999],
    })
  })
})

describe('Sysctl', () => {
  it('reads and writes by property', () => {
    const sysctl = new Sysctl()
    sysctl.tcp_retries2 = 8
    sysctl.tcp_rmem = [4096, 8192, 16_384]
    sysctl.tcp_init_cwnd = 'rfc3390'
    sysctl.path_keepalive = 0.25
    expect(sysctl.tcp_retries2).toBe(8)
    expect(sysctl.values.tcp_retries2).toBe(8)
    expect(sysctl.values.tcp_rmem).toEqual([4096, 8192, 16_384])
    expect(sysctl.values.tcp_init_cwnd).toBe('rfc3390')
    expect(sysctl.values.path_keepalive).toBe(0.25)
  })

  it('reads and writes by name, with or without the prefix, from values or their text', () => {
    const sysctl = new Sysctl()
    sysctl.set('net.ipv4.tcp_retries2', ' 9 ')
    sysctl.set('net.core.somaxconn', '128')
    sysctl.set('net/ipv4/tcp_rmem', '4096\t65536  1048576')
    sysctl.set('ip_local_port_range', '1024,2048')
    expect(sysctl.get('tcp_retries2')).toBe(9)
    expect(sysctl.get('net.core.somaxconn')).toBe(128)
    expect(sysctl.get('net.ipv4.tcp_rmem')).toEqual([4096, 65_536, 1_048_576])
    expect(sysctl.text('tcp_rmem')).toBe('4096\t65536\t1048576')
    expect(sysctl.text('tcp_retries2')).toBe('9')
    expect(sysctl.default('tcp_retries2')).toBe(15)
    expect(sysctl.toJSON()).toEqual(sysctl.values)
    expect(Object.keys(sysctl.toJSON())).toEqual(sysctlNames)
  })

  it.each<[string, unknown, string]>([
    ['tcp_retries2', 256, 'sysctl tcp_retries2 = 256: must be an integer from 0 to 255'],
    ['tcp_retries2', -1, 'sysctl tcp_retries2 = -1: must be an integer from 0 to 255'],
    ['tcp_retries2', 1.5, 'sysctl tcp_retries2 = 1.5: must be an integer from 0 to 255'],
    ['tcp_retries2', '1e2', 'sysctl tcp_retries2 = "1e2": must be an integer from 0 to 255'],
    ['tcp_retries2', '', 'sysctl tcp_retries2 = "": must be an integer from 0 to 255'],
    ['tcp_retries2', Number.NaN, 'sysctl tcp_retries2 = NaN: must be an integer from 0 to 255'],
    ['tcp_retries2', null, 'sysctl tcp_retries2 = null: must be an integer from 0 to 255'],
    ['tcp_sack', true, 'sysctl tcp_sack = true: must be an integer from 0 to 1'],
    ['tcp_rto_max_ms', 999, 'sysctl tcp_rto_max_ms = 999: must be an integer from 1000 to 120000 (ms)'],
    ['path_keepalive', -0.1, 'sysctl path_keepalive = -0.1: must be a number from 0 to 2147483 (s)'],
    [
      'tcp_init_cwnd',
      'rfc1',
      'sysctl tcp_init_cwnd = "rfc1": must be an integer from 1 to 65535 (segments), or rfc3390',
    ],
    ['tcp_init_cwnd', 0, 'sysctl tcp_init_cwnd = 0: must be an integer from 1 to 65535 (segments), or rfc3390'],
    ['tcp_rmem', [1, 2], 'sysctl tcp_rmem = 1 2: must be 3 integers from 1 to 2147483647 (bytes)'],
    ['tcp_rmem', '0 1 2', 'sysctl tcp_rmem = "0 1 2": must be 3 integers from 1 to 2147483647 (bytes)'],
    ['tcp_rmem', 4096, 'sysctl tcp_rmem = 4096: must be 3 integers from 1 to 2147483647 (bytes)'],
    [
      'ip_local_port_range',
      [61_000, 60_000],
      'sysctl ip_local_port_range = 61000 60000: must be 2 integers from 1 to 65535, none less than the one before',
    ],
    ['tcp_congestion_control', 3, 'sysctl tcp_congestion_control = 3: must be the name of a congestion control'],
    [
      'tcp_congestion_control',
      'a b',
      'sysctl tcp_congestion_control = "a b": must be the name of a congestion control',
    ],
    ['net.ipv4.tcp_nonsense', 1, 'sysctl tcp_nonsense = 1: there is no such parameter'],
    ['toString', 1, 'sysctl toString = 1: there is no such parameter'],
  ])('refuses %s = %j and changes nothing', (name, value, message) => {
    const sysctl = new Sysctl()
    expect(() => sysctl.set(name, value)).toThrow(new SysctlError('', 0, '').constructor as ErrorConstructor)
    expect(() => sysctl.set(name, value)).toThrow(message)
    expect(sysctl.values).toEqual(new Sysctl().values)
  })

  it('names the parameter and the value in the error', () => {
    const sysctl = new Sysctl()
    let error: unknown
    try {
      sysctl.tcp_sack = 7
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ name: 'SysctlError', code: 'ERR_INVALID_ARG_VALUE', parameter: 'tcp_sack', value: 7 })
    expect(sysctl.tcp_sack).toBe(1)
  })

  it('says why tcp_tw_recycle is gone, by any way of setting it', () => {
    const sysctl = new Sysctl()
    expect(() => sysctl.set('net.ipv4.tcp_tw_recycle', 1)).toThrow(
      /tcp_tw_recycle = 1: it was removed from Linux 4\.12.* NAT/,
    )
    expect(() => {
      ;(sysctl as unknown as Record<string, unknown>).tcp_tw_recycle = 0
    }).toThrow(/removed from Linux 4\.12/)
    expect(() => sysctl.get('tcp_tw_recycle')).toThrow(/removed/)
  })

  it('takes no property of a name that does not exist', () => {
    const sysctl = new Sysctl() as unknown as Record<string, unknown>
    expect(() => {
      sysctl.tcp_retires2 = 8
    }).toThrow(TypeError)
  })

  it('assigns all or nothing', () => {
    const sysctl = new Sysctl()
    expect(() => sysctl.assign({ tcp_retries1: 4, tcp_retries2: 999, tcp_sack: 0 })).toThrow('tcp_retries2 = 999')
    expect(() => sysctl.assign({ tcp_retries1: 4, tcp_nothing: 1 })).toThrow('tcp_nothing')
    expect(sysctl.values).toEqual(new Sysctl().values)
    sysctl.assign({ tcp_retries1: 4, tcp_sack: '0', 'net.core.somaxconn': 7, tcp_retries2: undefined })
    expect(sysctl.values).toEqual({ ...new Sysctl().values, tcp_retries1: 4, tcp_sack: 0, somaxconn: 7 })
    sysctl.assign(parseSysctlLine('tcp_retries1=5 tcp_retries1=6'))
    expect(sysctl.tcp_retries1).toBe(6)
  })

  it('asks for the congestion controls that there are', () => {
    const sysctl = new Sysctl({
      checkCongestionControl: (name) => (['reno', 'bbr'].includes(name) ? null : 'must be one of reno, bbr'),
    })
    sysctl.tcp_congestion_control = 'bbr'
    expect(() => sysctl.assign({ tcp_sack: 0, tcp_congestion_control: 'vegas' })).toThrow(
      'sysctl tcp_congestion_control = "vegas": must be one of reno, bbr',
    )
    expect(sysctl.values).toEqual({ ...new Sysctl().values, tcp_congestion_control: 'bbr' })
  })

  it('takes defaults of the machine, and checks them', () => {
    const sysctl = new Sysctl({ defaults: { max_paths: 512 } })
    expect(sysctl.max_paths).toBe(512)
    expect(sysctl.default('max_paths')).toBe(512)
    expect(() => new Sysctl({ defaults: { max_paths: 0 } })).toThrow('max_paths = 0')
  })

  it('keeps stacks apart, and lists from being written to', () => {
    const [a, b] = [new Sysctl(), new Sysctl()]
    const list = [1, 2, 3] as [number, number, number]
    a.tcp_rmem = list
    list[0] = 99
    expect(a.tcp_rmem).toEqual([1, 2, 3])
    expect(b.tcp_rmem).toEqual([4096, 131_072, 6_291_456])
    expect(Object.isFrozen(a.tcp_rmem)).toBe(true)
    expect(Object.isFrozen(b.tcp_rmem)).toBe(true)
  })

  it('has types as the table says', () => {
    const values: SysctlValues = new Sysctl().values
    const retries: number = values.tcp_retries2
    const rmem: readonly [number, number, number] = values.tcp_rmem
    const range: readonly [number, number] = values.ip_local_port_range
    const initial: number | 'rfc3390' = values.tcp_init_cwnd
    const name: string = values.tcp_congestion_control
    // @ts-expect-error: not a string
    new Sysctl().tcp_retries2 = '8'
    // @ts-expect-error: not two
    const three: readonly [number, number, number] = values.ip_local_port_range
    // @ts-expect-error: not every word
    const word: number | 'rfc1' = values.tcp_init_cwnd
    expect([retries, rmem, range, initial, name, three, word]).toHaveLength(7)
  })

  it('describes its ranges', () => {
    expect(sysctlRange('tcp_retries2')).toBe('an integer from 0 to 255')
    expect(sysctlRange('tcp_congestion_control')).toBe('the name of a congestion control')
  })
})

describe('settings as text', () => {
  it('reads a line as in SLUICE_SYSCTL', () => {
    expect(parseSysctlLine('')).toEqual([])
    expect(parseSysctlLine(' tcp_retries2=8  tcp_congestion_control=bbr ')).toEqual([
      ['tcp_retries2', '8'],
      ['tcp_congestion_control', 'bbr'],
    ])
    expect(parseSysctlLine('tcp_rmem=4096 131072 6291456 tcp_sack=0')).toEqual([
      ['tcp_rmem', '4096 131072 6291456'],
      ['tcp_sack', '0'],
    ])
    expect(parseSysctlLine('net.ipv4.tcp_sack = 0,tcp_rmem=1,2,3;somaxconn=5')).toEqual([
      ['net.ipv4.tcp_sack', '0'],
      ['tcp_rmem', '1 2 3'],
      ['somaxconn', '5'],
    ])
    expect(() => parseSysctlLine('tcp_sack')).toThrow('sysctl tcp_sack: expected name=value')
    expect(() => parseSysctlLine('=5')).toThrow('expected name=value')
  })

  it('reads a file as sysctl(8) does', () => {
    const text = '# comment\r\n; another\n\nnet.ipv4.tcp_sack = 0\r\n  tcp_rmem=4096 131072 6291456  \n'
    expect(parseSysctlFile(text)).toEqual([
      ['net.ipv4.tcp_sack', '0'],
      ['tcp_rmem', '4096 131072 6291456'],
    ])
    expect(() => parseSysctlFile('tcp_sack = 1\nnonsense\n')).toThrow(
      'sysctl nonsense: expected name = value in line 2',
    )
  })
})
