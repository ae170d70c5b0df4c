import { dirname } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import type { TestProjectInlineConfiguration } from 'vitest/config';

/**
 * One project an engine. `scripts/test.sh` starts the engines and runs each project with the addresses of its own in the
 * environment; what runs where is decided here. `test/README.md` is the index.
 */

const { env } = process;

/** As a user of this Podman has it: our program calls it to enter the namespace of the user's containers. */
const withPodman = { PATH: `${dirname(env['PODMAN'] ?? '')}:${env['PATH']}` };

/** Values are not cut off in the one line that tells of a failure. */
const chaiConfig = { truncateThreshold: 2000 };
/** One worker runs many files: loading the same modules for each of them takes a third of the CPU time. */
const withoutEngine = {
  chaiConfig,
  testTimeout: 60_000,
  hookTimeout: 120_000,
  isolate: false,
  // By default one core stays free: of two, that is half of them.
  maxWorkers: '100%',
  unstubEnvs: true,
  sequence: { groupOrder: 0 },
};
/** With these variables tests take hours: not twice. */
const isSample = ['KILLS', 'FAULTS', 'PROPERTY_CASES'].every((name) => env[name] === undefined);

/** End-to-end tests of our own work, which is the same whatever the engine: they run on one. */
const ENGINE_BLIND = [
  'broken-present',
  'build-context',
  'configuration',
  'corrupted',
  'dry-run',
  'encryption',
  'history',
  'hooks',
  'hostile',
  'include-extends',
  'interpolation',
  'interrupt',
  'library',
  'locked',
  'migrate-backup',
  'migrate-quadlet',
  'other-folder',
  'ownership',
  'plugin',
  'profiles',
  'readme',
  'refusals',
  'retention',
  'scripts',
  'several-files',
  'stale',
  'travel',
].map(e2e);
/** These compare the whole engine before and after. */
const ALONE = ['build-only', 'demo'].map(e2e);
/** Moves between Docker and the Podman beside it. */
const BETWEEN = ['built', 'move', 'proof', 'scripts', 'space', 'to-units', 'validate'].map((part) =>
  e2e(`migrate-${part}`),
);
/** Compose makes no container anew on Podman that others live in. */
const NOT_ON_PODMAN = [e2e('neighbours')];
const ONLY_PODMAN = ['test/conformance/podman-*.test.ts', e2e('podman-*')];
/** Compose 1 replaces no container on today's Docker with its containerd image store: it is tested on an engine of its time. */
const COMPOSE_V1 = ['test/conformance/provider-v1.test.ts', e2e('compose-v1')];
const FAULTS_OF_PROGRAMS = ['test/faults/program.test.ts'];
const ENGINE_CONFORMANCE = ['test/conformance/engine{,-images,-volumes,-facts}.test.ts'];

/** What most people come for: enough to know that the newest engine and the program get along. */
const SMOKE = [
  'test/conformance/engine.test.ts',
  ...[
    'binds',
    'corrupted',
    'dry-run',
    'health-failure',
    'image-moved',
    'interrupt',
    'locked',
    'migrate-move',
    'missing-image',
    'services',
    'volume-round-trip',
  ].map(e2e),
  'test/faults/smoke.test.ts',
];
/** What an older engine may do differently. */
const CORE = [
  ...ENGINE_CONFORMANCE,
  'test/conformance/provider.test.ts',
  ...[
    'binds',
    'digest-pinned',
    'facts',
    'image-moved',
    'images',
    'missing-image',
    'nothing-to-do',
    'variables',
    'volumes',
  ].map(e2e),
];
/** What another compose may do differently: data, files, variables. */
const SAMPLE = ['binds', 'image-moved', 'variables', 'volume-round-trip'].map(e2e);

function e2e(name: string): string {
  return `test/e2e/${name}/case.test.ts`;
}

interface Choice {
  include: string[];
  exclude?: string[];
  /** More variables; those without a value are left out. */
  env?: Record<string, string | undefined>;
  /** Projects of one run start in this order. */
  order?: number;
  /** One file after the other. */
  serial?: boolean;
}

/** Tests that wait for a real engine leave the machine to others meanwhile: three files at once on two cores. */
function onEngine(name: string, choice: Choice): TestProjectInlineConfiguration {
  const { include, exclude = [], order = 1, serial = false } = choice;
  const values = Object.entries(choice.env ?? {}).filter((entry): entry is [string, string] => !!entry[1]);
  return {
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, ...exclude],
      env: Object.fromEntries(values),
      chaiConfig,
      testTimeout: 120_000,
      hookTimeout: 180_000,
      retry: isSample ? 1 : 0,
      maxWorkers: serial ? 1 : Number(env['TEST_WORKERS'] ?? 3),
      fileParallelism: !serial,
      sequence: { groupOrder: order },
    },
  };
}

/** With buildx, docker's command line would boot a builder of a registry on Podman's socket. Podman builds by itself. */
const builtByEngine = { DOCKER_BUILDKIT: '0' };

/** The same tests on the Podman that PODMAN_HOST and PODMAN name, for docker's command line and for ours. */
function onPodman(name: string, choice: Choice): TestProjectInlineConfiguration {
  const own = {
    DOCKER_HOST: env['PODMAN_HOST'],
    TEST_PODMAN: env['PODMAN'],
    ...withPodman,
    ...builtByEngine,
  };
  const exclude = [...ALONE, ...BETWEEN, ...NOT_ON_PODMAN, ...(choice.exclude ?? [])];
  return onEngine(name, { ...choice, exclude, env: { ...own, ...choice.env } });
}

const podmanCompose = {
  TEST_PODMAN_COMPOSE: env['PODMAN_COMPOSE'],
  COMPOSE_ROLLBACK_PROVIDER: env['PODMAN_COMPOSE'],
};
const composeV1 = { TEST_COMPOSE_V1: env['COMPOSE_V1'], COMPOSE_ROLLBACK_PROVIDER: env['COMPOSE_V1'] };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...withoutEngine } },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/support/needs.ts', 'test/support/fresh-build.ts'],
          ...withoutEngine,
        },
      },
      onEngine('smoke', { include: SMOKE }),
      onEngine('docker', {
        include: ['test/{conformance,e2e,faults,property}/**/*.test.ts'],
        exclude: [...SMOKE, ...ALONE, ...ONLY_PODMAN, ...COMPOSE_V1, ...FAULTS_OF_PROGRAMS],
        order: 2,
      }),
      onEngine('alone', { include: ALONE, order: 3, serial: true }),
      onEngine('docker-v1', { include: [...SAMPLE, e2e('nothing-to-do')], env: composeV1 }),
      onEngine('docker-20', { include: [...CORE, ...COMPOSE_V1] }),
      ...['docker-26', 'docker-26-classic'].map((name) => onEngine(name, { include: CORE })),
      onPodman('podman', {
        include: [
          ...ENGINE_CONFORMANCE,
          ...ONLY_PODMAN,
          'test/e2e/**/*.test.ts',
          'test/faults/{kill,engine}.test.ts',
        ],
        exclude: ENGINE_BLIND,
      }),
      onPodman('podman-compose', {
        include: [...SAMPLE, 'test/faults/kill.test.ts', ...FAULTS_OF_PROGRAMS],
        env: podmanCompose,
      }),
      // The podman-compose of that time calls a project by its folder.
      onPodman('podman-4', { include: [...CORE, e2e('podman-compose'), e2e('podman-tied')] }),
      onPodman('podman-5', { include: [...CORE, e2e('podman-tied')] }),
      onPodman('podman-rootless', {
        include: ['test/conformance/engine.test.ts', e2e('podman-compose'), ...SAMPLE],
      }),
      // Root's settings of buildx are closed to this user.
      onEngine('rootless-move', { include: [e2e('migrate-move')], env: { ...withPodman, ...builtByEngine } }),
      // After all others of that user: it breaks and repairs their Podman.
      onPodman('rootless-rights', { include: [e2e('migrate-recover-rights')], order: 3 }),
    ],
  },
});
