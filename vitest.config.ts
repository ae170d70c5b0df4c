import { defineConfig } from 'vitest/config';

/** What waits for a real engine takes its time. */
const onEngine = { testTimeout: 120_000, hookTimeout: 180_000 };
/** One file after the other: these compare the whole engine before and after, or take all there is of a machine. */
const alone = { fileParallelism: false, ...onEngine };
const ALONE = ['test/e2e/{build-only,demo}/**/*.test.ts', 'test/faults/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], sequence: { groupOrder: 0 } } },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          ...onEngine,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ALONE,
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          ...onEngine,
        },
      },
      { test: { name: 'alone', include: ALONE, sequence: { groupOrder: 2 }, ...alone } },
    ],
  },
});
