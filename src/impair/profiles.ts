import type { DirectionFields } from './stages.ts'
import { unknownProfile } from './values.ts'

/** A network by name, as the end that has it sees it: `in` is the way down, `out` the way up. Each way has half the round trip. */
export interface Profile {
  readonly name: string
  /** One line for lists. */
  readonly description: string
  /** Where the figures come from. */
  readonly source: string
  readonly in: DirectionFields
  readonly out: DirectionFields
}

const COMCAST = 'github.com/tylertreat/comcast, "Network Condition Profiles" (the way up and the jitter are ours)'
const WEBPAGETEST =
  'WebPageTest connectivity profiles, github.com/catchpoint/WebPageTest, settings/connectivity.ini.sample'
const OURS = 'ours: round figures to test with, no measurement'

/** The same both ways. */
const even = (fields: DirectionFields): Pick<Profile, 'in' | 'out'> => ({ in: fields, out: fields })

/** Of a line: rates down and up, half the round trip each way, and what else both ways have. */
function line(
  down: string,
  up: string,
  delay: DirectionFields['delay'],
  both: DirectionFields = {},
): Pick<Profile, 'in' | 'out'> {
  return { in: { rate: down, delay, ...both }, out: { rate: up, delay, ...both } }
}

export const PROFILES: readonly Profile[] = [
  {
    name: 'perfect',
    description: 'nothing is done: the network as it is',
    source: OURS,
    ...even({}),
  },
  {
    name: 'lan',
    description: 'switched Gigabit Ethernet: 1 Gbit/s, 0.3 ms round trip',
    source: `${OURS}; IEEE 802.3 gives the rate`,
    ...line('1gbit', '1gbit', '150us'),
  },
  {
    name: 'wifi',
    description: 'Wi-Fi in the same room: 30 Mbit/s, 40 ms, 0.2 % loss',
    source: COMCAST,
    ...line('30mbit', '30mbit', '20ms 3ms distribution normal', { loss: '0.2%' }),
  },
  {
    name: 'bad-wifi',
    description: 'Wi-Fi at the edge of its range: 2 Mbit/s, 60 ms with long tails, losses in bursts (about 5 %)',
    source: OURS,
    ...line('2mbit', '1mbit', '30ms 15ms distribution pareto', { burst: '1% 20%', queue: '100' }),
  },
  {
    name: 'dsl',
    description: 'ADSL2: 8 Mbit/s down, 1 Mbit/s up over ATM cells, 40 ms, 0.5 % loss',
    source: `${COMCAST}, "DSL"; ATM cells of 48 + 5 bytes, ITU-T I.361`,
    ...line('8mbit 18 48 5', '1mbit 18 48 5', '20ms', { loss: '0.5%' }),
  },
  {
    name: 'cable',
    description: 'cable modem: 5 Mbit/s down, 1 Mbit/s up, 28 ms',
    source: `${WEBPAGETEST}, "Cable"`,
    ...line('5mbit', '1mbit', '14ms'),
  },
  {
    name: 'fiber',
    description: 'fibre to the home: 20 Mbit/s down, 5 Mbit/s up, 4 ms',
    source: `${WEBPAGETEST}, "FIOS"`,
    ...line('20mbit', '5mbit', '2ms'),
  },
  {
    name: '2g',
    description: 'GPRS: 50 kbit/s down, 20 kbit/s up, 500 ms, 2 % loss',
    source: `${COMCAST}, "GPRS (good)"`,
    ...line('50kbit', '20kbit', '250ms 30ms distribution normal', { loss: '2%', queue: '30' }),
  },
  {
    name: 'edge',
    description: 'EDGE: 250 kbit/s down, 200 kbit/s up, 300 ms, 1.5 % loss',
    source: `${COMCAST}, "EDGE (good)"`,
    ...line('250kbit', '200kbit', '150ms 20ms distribution normal', { loss: '1.5%', queue: '50' }),
  },
  {
    name: '3g',
    description: '3G: 750 kbit/s down, 500 kbit/s up, 250 ms, 1.5 % loss',
    source: `${COMCAST}, "3G/HSDPA (good)"`,
    ...line('750kbit', '500kbit', '125ms 15ms distribution normal', { loss: '1.5%', queue: '100' }),
  },
  {
    name: '4g',
    description: 'LTE: 9 Mbit/s both ways, 170 ms',
    source: `${WEBPAGETEST}, "4G"`,
    ...line('9mbit', '9mbit', '85ms 10ms distribution normal', { loss: '0.1%' }),
  },
  {
    name: 'lte-train',
    description: 'LTE in a fast train: 5 Mbit/s that vary, 120 ms, bursts of loss, one second of nothing every 20 s',
    source: `${OURS}; the kind of outage is what Li et al., "A measurement study on TCP behaviors in HSPA+ networks on high-speed rails" (2015) describe`,
    ...line('5mbit', '2mbit', '60ms 20ms distribution paretonormal', {
      burst: '0.3% 15%',
      queue: '300',
      schedule: ['every 20s blackhole 1s', 'every 7s rate 500kbit for 2s'],
    }),
  },
  {
    name: '5g',
    description: '5G at mid band: 150 Mbit/s down, 30 Mbit/s up, 30 ms',
    source: `${OURS}, of the order that Narayanan et al., "A first look at commercial 5G performance on smartphones" (2020) measured`,
    ...line('150mbit', '30mbit', '15ms 2ms distribution normal', { loss: '0.05%' }),
  },
  {
    name: 'satellite-geo',
    description: 'geostationary satellite: 15 Mbit/s down, 3 Mbit/s up, 600 ms, 0.5 % loss',
    source:
      'RFC 2488 section 2: about 250 ms from ground to ground, twice for the round trip, plus processing; rates are ours',
    ...line('15mbit', '3mbit', '300ms 5ms distribution normal', { loss: '0.5%' }),
  },
  {
    name: 'starlink',
    description: 'low orbit: 100 Mbit/s down, 15 Mbit/s up, 40 ms, 2.5 % loss that a new satellite brings every 15 s',
    source: `${COMCAST}, "Starlink" gives 20 ms and 2.5 %; 15 s between satellites: Mohan et al., "A multifaceted look at Starlink performance" (2024)`,
    ...line('100mbit', '15mbit', '20ms 4ms distribution normal', {
      loss: '0.5%',
      schedule: ['every 15s loss 30% for 1s'],
    }),
  },
  {
    name: 'transatlantic',
    description: 'London to New York: 75 ms, 1 Gbit/s',
    source:
      'about 5,600 km of cable at 2/3 of the speed of light, both ways, and the detours; of the order of what operators publish (Verizon: 70 to 75 ms)',
    ...line('1gbit', '1gbit', '37.5ms 0.5ms distribution normal'),
  },
  {
    name: 'transpacific',
    description: 'Los Angeles to Tokyo: 110 ms, 1 Gbit/s',
    source:
      'about 8,800 km of cable at 2/3 of the speed of light, both ways, and the detours; of the order of what operators publish (Verizon: 100 to 120 ms)',
    ...line('1gbit', '1gbit', '55ms 0.5ms distribution normal'),
  },
  {
    name: 'lossy-1',
    description: '1 % of all packets are lost, each by itself',
    source: OURS,
    ...even({ loss: '1%' }),
  },
  {
    name: 'lossy-5',
    description: '5 % of all packets are lost, each by itself',
    source: OURS,
    ...even({ loss: '5%' }),
  },
  {
    name: 'lossy-10',
    description: '10 % of all packets are lost, each by itself',
    source: OURS,
    ...even({ loss: '10%' }),
  },
  {
    name: 'lossy-20',
    description: '20 % of all packets are lost, each by itself',
    source: OURS,
    ...even({ loss: '20%' }),
  },
  {
    name: 'flaky',
    description: 'works most of the time: 50 ms, 1 % loss, two seconds of nothing every 15 s',
    source: OURS,
    ...even({ delay: '25ms 10ms distribution normal', loss: '1%', schedule: ['every 15s blackhole 2s'] }),
  },
  {
    name: 'bufferbloat',
    description: '10 Mbit/s down, 1 Mbit/s up behind buffers of seconds: 30 ms when idle, two seconds when full',
    source:
      'Gettys and Nichols, "Bufferbloat: dark buffers in the Internet" (ACM Queue, 2011) for the kind; the figures are ours',
    in: { rate: '10mbit', delay: '15ms', queue: '2500kb' },
    out: { rate: '1mbit', delay: '15ms', queue: '250kb' },
  },
]

/** Throws an error that lists the names, or says which was meant. */
export function findProfile(name: unknown): Profile {
  const wanted = typeof name === 'string' ? name.trim().toLowerCase() : name
  const profile = PROFILES.find((one) => one.name === wanted)
  if (profile !== undefined) return profile
  throw unknownProfile(
    name,
    PROFILES.map((one) => one.name),
  )
}
