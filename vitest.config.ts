import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Whether every counter is moved by some test.
    globalSetup: 'test/support/counters-setup.ts',
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: 'test/support/moved-counters.ts',
          include: [
            'test/unit/**/*.test.ts',
            'test/property/**/*.test.ts',
            'test/conformance/**/*.test.ts',
            'test/*.test.ts',
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'sim',
          setupFiles: 'test/support/moved-counters.ts',
          include: ['test/sim/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        // Real sockets and child processes: after the others and one file at a time, so that nothing takes their time or ports.
        test: {
          name: 'udp',
          setupFiles: 'test/support/moved-counters.ts',
          include: ['test/udp/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 30_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
