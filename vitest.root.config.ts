import { defineConfig } from 'vitest/config'

/** What only root can check. Apart from the other projects, so that `npm test` skips nothing; see scripts/test-root.ts. */
export default defineConfig({
  test: {
    name: 'root',
    include: ['test/root/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 30_000,
    fileParallelism: false,
  },
})
