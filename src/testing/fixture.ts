import type { NetworkOptions } from './network.ts'
import { contextOf, createNetwork, explained, type NetworkContext } from './with-network.ts'

/** What vitest gives a fixture, as far as ours needs it. */
interface TestContext {
  onTestFailed?: (listener: (result: unknown) => void) => void
}

/** A fixture of vitest's `test.extend`. */
export type NetworkFixture = (context: TestContext, use: (context: NetworkContext) => Promise<void>) => Promise<void>

/**
 * A network for each test that asks for it, as a fixture of vitest's: `const it = test.extend({ sluice: networkFixture({ loss: '5%' }) })`,
 * then `it('…', async ({ sluice: { net, network } }) => …)`. A failing test prints the network's report.
 */
export function networkFixture(options: NetworkOptions = {}): NetworkFixture {
  return async ({ onTestFailed }, use) => {
    const network = createNetwork(options)
    let report = ''
    onTestFailed?.(() => console.error(report))
    try {
      await network.run(() => use(contextOf(network)))
    } catch (error) {
      throw explained(error, network)
    } finally {
      report = network.report()
      await network.close()
    }
  }
}
