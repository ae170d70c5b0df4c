import { dirname } from 'node:path';
import { defineConfig } from 'vitest/config';

/** What waits for a real engine takes its time, and leaves some of the machine to others meanwhile: three files at once on two cores. */
const onEngine = {
  testTimeout: 120_000,
  hookTimeout: 180_000,
  maxWorkers: 3,
  sequence: { groupOrder: 1 },
};
/** One file after the other: these compare the whole engine before and after. */
const ALONE = ['test/e2e/{build-only,demo}/**/*.test.ts'];

/** The same by Podman, where `test/lab/podman.sh` could start one. */
const PODMAN = process.env['PODMAN_HOST'];
const onPodman = {
  name: 'podman',
  include: ['test/conformance/{engine{,-images,-volumes},podman-compose}.test.ts', 'test/e2e/**/*.test.ts'],
  exclude: ALONE,
  env: {
    DOCKER_HOST: PODMAN,
    TEST_PODMAN: process.env['PODMAN'],
    PATH: `${dirname(process.env['PODMAN'] ?? '/')}:${process.env['PATH']}`,
  },
  ...onEngine,
};

const PODMAN_COMPOSE = process.env['PODMAN_COMPOSE'];
const onPodmanCompose = {
  ...onPodman,
  name: 'podman-compose',
  include: ['test/e2e/*/case.test.ts'],
  env: {
    ...onPodman.env,
    TEST_PODMAN_COMPOSE: PODMAN_COMPOSE,
    COMPOSE_ROLLBACK_PROVIDER: PODMAN_COMPOSE,
  },
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], sequence: { groupOrder: 0 } } },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          exclude: ['test/conformance/podman-compose.test.ts'],
          ...onEngine,
        },
      },
      ...(PODMAN === undefined ? [] : [{ test: onPodman }, { test: onPodmanCompose }]),
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: ALONE, ...onEngine } },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], ...onEngine } },
      {
        test: {
          name: 'alone',
          include: ALONE,
          ...onEngine,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
