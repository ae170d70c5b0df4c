import { dirname } from 'node:path';
import { defineConfig } from 'vitest/config';

const { env } = process;

/** What differs, where a failure is told in one line. */
const telling = { truncateThreshold: 2000 };
/** What waits for a real engine takes its time, and leaves some of the machine to others meanwhile: three files at once on two cores. */
const onEngine = {
  chaiConfig: telling,
  testTimeout: 120_000,
  hookTimeout: 180_000,
  maxWorkers: env['ONE_AT_A_TIME'] === undefined ? 3 : 1,
  sequence: { groupOrder: 1 },
};
/** One file after the other: these compare the whole engine before and after. */
const ALONE = ['test/e2e/{build-only,demo}/**/*.test.ts'];
/** What is between both engines is told of them by other variables. */
const BETWEEN = ['test/e2e/migrate-{built,move,scripts,space,to-units,validate}/case.test.ts'];
const ONLY_PODMAN = ['test/{conformance,e2e}/podman-*{.test.ts,/case.test.ts}'];
/** podman-compose and Podman as programs. */
const FAULTS_OF_PROGRAMS = ['test/faults/program.test.ts'];

const before = (program: string) => `${dirname(program)}:${env['PATH']}`;

/** The same tests on another Docker, or by another compose: where there is what `own` tells of. */
function onDocker(name: string, own: Record<string, string | undefined>, include: string[]) {
  if (Object.values(own).includes(undefined)) return [];
  return [{ test: { name, include, env: own, ...onEngine } }];
}

/** The same tests on a Podman that `test/lab/podman.sh` started: its socket and its program, for docker's CLI and for ours. */
function onPodman(
  name: string,
  [host, program]: (string | undefined)[],
  include: string[],
  more: Record<string, string | undefined> = {},
) {
  if (host === undefined || program === undefined) return [];
  const own = { DOCKER_HOST: host, TEST_PODMAN: program, PATH: before(program), ...more };
  return [{ test: { name, include, exclude: [...ALONE, ...BETWEEN], env: own, ...onEngine } }];
}

/** What engines of another version may do otherwise, and what most people come for. */
const CORE = [
  'test/conformance/engine{,-images,-volumes}.test.ts',
  'test/e2e/{image-moved,volumes,binds,variables,digest-pinned,missing-image,images}/case.test.ts',
];
/** Of all tests those that show what may differ: data, files, variables. */
const SAMPLE = ['test/e2e/{binds,volumes,variables}/case.test.ts'];
const rootful = [env['PODMAN_HOST'], env['PODMAN']];
const rootless = [env['PODMAN_ROOTLESS_HOST'], env['PODMAN_ROOTLESS']];
const compose = env['PODMAN_COMPOSE'];
const legacy = env['COMPOSE_V1'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          chaiConfig: telling,
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          exclude: ONLY_PODMAN,
          ...onEngine,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [...ALONE, ...ONLY_PODMAN],
          ...onEngine,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          exclude: FAULTS_OF_PROGRAMS,
          ...onEngine,
        },
      },
      ...onPodman('podman', rootful, [
        'test/conformance/engine{,-images,-volumes}.test.ts',
        ...ONLY_PODMAN,
        'test/e2e/**/*.test.ts',
        'test/faults/{kill,engine}.test.ts',
      ]),
      ...onPodman('podman-compose', rootful, [...SAMPLE, 'test/faults/kill.test.ts', ...FAULTS_OF_PROGRAMS], {
        TEST_PODMAN_COMPOSE: compose,
        COMPOSE_ROLLBACK_PROVIDER: compose,
      }),
      ...onPodman('podman-rootless', rootless, [
        'test/conformance/engine.test.ts',
        'test/e2e/{image-moved,podman-compose}/case.test.ts',
        ...SAMPLE,
      ]),
      // After all others of that user: it breaks and mends their Podman.
      ...onPodman('rootless-rights', rootless, ['test/e2e/migrate-recover-rights/case.test.ts']).map(
        ({ test }) => ({ test: { ...test, sequence: { groupOrder: 3 } } }),
      ),
      ...onDocker('docker-v1', { TEST_COMPOSE_V1: legacy, COMPOSE_ROLLBACK_PROVIDER: legacy }, [
        'test/e2e/{image-moved,variables}/case.test.ts',
      ]),
      ...onDocker('docker-26', { DOCKER_HOST: env['DOCKER_26_HOST'] }, [
        'test/conformance/provider.test.ts',
        ...CORE,
      ]),
      ...onPodman('podman-5', [env['PODMAN_5_HOST'], env['PODMAN_5']], CORE),
      ...(rootless[1] === undefined
        ? []
        : [
            {
              test: {
                name: 'rootless-move',
                include: ['test/e2e/migrate-move/case.test.ts'],
                env: { PODMAN_HOST: rootless[0], PODMAN: rootless[1], PATH: before(rootless[1]) },
                ...onEngine,
              },
            },
          ]),
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
