import { Conversations } from '../../impair/index.ts'
import type { LinkUnit, SimLink } from './sim-link.ts'

/** The links between hosts, one for each direction. */
export class Links<Host extends { readonly name: string }> {
  readonly #make: (from: Host, to: Host) => SimLink
  readonly #links = new Map<Host, Map<Host, SimLink>>()
  readonly #conversations = new Map<string, Conversations>()

  /** `make` is called for a link when it is first asked for. */
  constructor(make: (from: Host, to: Host) => SimLink) {
    this.#make = make
  }

  between(from: Host, to: Host): SimLink {
    let links = this.#links.get(from)
    if (links === undefined) {
      links = new Map()
      this.#links.set(from, links)
    }
    let link = links.get(to)
    if (link === undefined) {
      link = this.#make(from, to)
      links.set(to, link)
    }
    return link
  }

  *[Symbol.iterator](): Generator<SimLink> {
    for (const links of this.#links.values()) yield* links.values()
  }

  /** For a link that carries segments: what it shares with that of the other direction. */
  segments(from: Host, to: Host): LinkUnit {
    const key = [from.name, to.name].sort().join('|')
    const conversations = this.#conversations.get(key) ?? new Conversations()
    this.#conversations.set(key, conversations)
    return { unit: 'segment', conversations, outgoing: from.name <= to.name }
  }
}
