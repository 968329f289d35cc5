/**
 * Gives members of ours the order, names, lengths and visibility of Node's: some code lists a prototype, counts a method's parameters or
 * tells methods by name. What Node's has not stays behind them as it is. All members have to be configurable.
 */
export function likeNode(ours: object, nodes: object): void {
  const members: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(ours)
  const models: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(nodes)
  const extra = Object.keys(members).filter((key) => !(key in models))
  for (const key of [...Object.keys(models), ...extra]) {
    const member = members[key]
    const model = models[key] ?? member
    if (member?.configurable !== true) continue
    if (typeof member.value === 'function' && typeof model.value === 'function' && key !== 'constructor') {
      disguise(member.value, model.value)
    }
    delete (ours as Record<string, unknown>)[key]
    const { enumerable, configurable } = model
    Object.defineProperty(ours, key, { ...member, enumerable, configurable })
  }
}

function disguise(method: object, { name, length }: { name: string; length: number }): void {
  Object.defineProperty(method, 'name', { value: name, configurable: true })
  Object.defineProperty(method, 'length', { value: length, configurable: true })
}
