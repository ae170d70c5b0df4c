import { defineConfig } from 'vitest/config';

/** Engine tests share one engine and two cores: their files run one after the other. */
const onEngine = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { name: 'conformance', include: ['test/conformance/**/*.test.ts'], ...onEngine } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...onEngine } },
    ],
  },
});
