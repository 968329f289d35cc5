import { invalidValue } from './values.ts'

/** A value that is several words, as netem's are. */
export class Words {
  readonly #field: string
  readonly #text: string
  readonly #words: readonly string[]
  #at = 0

  constructor(field: string, text: string) {
    this.#field = field
    this.#text = text
    // "5 %" is one word.
    this.#words = text.replace(/\s+%/g, '%').trim().split(/\s+/).filter(Boolean)
  }

  get isOver(): boolean {
    return this.#at >= this.#words.length
  }

  /** The next word begins with a digit. */
  get isNumber(): boolean {
    return !this.isOver && /^-?[\d.]/.test(this.#words[this.#at])
  }

  peek(): string | undefined {
    return this.#words[this.#at]
  }

  take(): string | undefined {
    return this.#words[this.#at++]
  }

  /** The next word, which there must be. */
  next(what: string): string {
    const word = this.take()
    if (word === undefined) throw invalidValue(this.#field, this.#text, what)
    return word
  }

  /** Takes the next word if it is this one. */
  skip(word: string): boolean {
    if (this.peek()?.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  rest(): string {
    const rest = this.#words.slice(this.#at).join(' ')
    this.#at = this.#words.length
    return rest
  }

  /** Nothing may be left. */
  end(allowed = 'followed by nothing else'): void {
    if (!this.isOver) throw invalidValue(this.#field, this.#text, `${allowed}, not '${this.peek()}'`)
  }
}
