import { describe, expect, it } from 'vitest';
import type { Remark } from '../../src/model/plan.js';
import type { MoveFacts } from '../../src/migrate/move/facts.js';
import { aPoint } from '../support/mirror.js';
import { aMove, atPodman, data, SHOP } from '../support/moves.js';
import { aPresent, imageId, POINT, type Stack } from '../support/planning.js';

/** What a move is blocked by, and what it tells beforehand. */

describe('a move is blocked', () => {
  const gone = { driver: null, problem: 'it is on NFS' } as const;
  const port = (hostPort: number) => ({
    hostIp: '',
    hostPort,
    containerPort: 80,
    protocol: 'tcp' as const,
  });
  const publishing = () => {
    const source = aPresent({ services: { web: {} } });
    const [container] = source.services['web']?.containers ?? [];
    if (container) container.ports = [port(8080)];
    return source;
  };
  const findings = (more: Partial<MoveFacts['findings']>) => ({
    findings: { takenPorts: [], missingExternal: [], ...more },
  });
  const taken = (number: number) =>
    findings({ takenPorts: [{ service: 'web', port: `*:${number}/tcp`, holder: 'nginx (process 7)' }] });

  it.each<[string, Stack | ReturnType<typeof aPresent>, Partial<MoveFacts>, string, string, string | null]>([
    [
      'when the files do not resolve',
      { ...SHOP, modelError: 'services.api: no image' },
      {},
      'model-invalid',
      'the compose files do not resolve: services.api: no image',
      null,
    ],
    [
      'when nothing runs',
      { services: { api: { states: ['exited'] } } },
      {},
      'not-running',
      'nothing of the project runs on Docker',
      'start it there first',
    ],
    [
      'when it runs there',
      SHOP,
      { target: atPodman({ services: { api: {}, redis: { states: ['exited'] } } }) },
      'runs-there',
      'api of it run on Podman already',
      'stop that first',
    ],
    [
      'by data that nobody can read',
      SHOP,
      { volumes: [{ ...data, from: gone }] },
      'data-unreadable',
      'the data of shop_data cannot be read: it is on NFS',
      null,
    ],
    [
      'by data that nobody can write',
      SHOP,
      { volumes: [{ ...data, to: gone }] },
      'data-unwritable',
      'the data of shop_data cannot be written on Podman: it is on NFS',
      null,
    ],
    [
      'by data that went since the move that is taken back',
      SHOP,
      { data: false, undoes: 'run-1', volumes: [data] },
      'data-gone',
      'the data of shop_data is not on Podman any more',
      'compose-rollback migrate to-podman carries the data over',
    ],
    [
      'by others who write to the data',
      SHOP,
      { volumes: [{ ...data, users: ['blog-web-1', 'blog-job-1'] }] },
      'volume-in-use',
      'blog-web-1, blog-job-1, of others, run with shop_data',
      'stop them first',
    ],
    [
      'by an image that is named by its digest',
      { services: { api: { ref: `api@sha256:${'d'.repeat(64)}` } } },
      {},
      'image-by-digest',
      `api@sha256:${'d'.repeat(64)} is named by its digest, which goes over with no archive`,
      'pull it there first',
    ],
    [
      'by an image that runs and that the engine no longer has',
      { services: { api: {}, web: {} }, tags: { [imageId('api-v1')]: null } },
      {},
      'image-missing',
      'Docker no longer has the image that api runs, so it cannot be carried over',
      'make it again from an image that is there: docker compose up -d --force-recreate api',
    ],
    [
      'by a port of somebody else',
      publishing(),
      taken(9090),
      'port-taken',
      'web publishes *:9090/tcp, which nginx (process 7) holds',
      'stop that first',
    ],
    [
      'by a network that is not there',
      SHOP,
      findings({ missingExternal: [{ what: 'network', name: 'front' }] }),
      'external-missing',
      'the external network front is not on Podman',
      'podman network create front',
    ],
    [
      'by a service that runs and is in no file',
      { services: { api: {}, old: { orphan: true } } },
      {},
      'not-defined',
      'old runs, and the compose files do not define it',
      'stop it, or have the files define it; is a --profile missing?',
    ],
    [
      'by replicas that podman-compose would not make',
      { services: { api: { states: ['running', 'running'] } } },
      {
        target: {
          ...atPodman(),
          provider: { name: 'podman-compose', version: '1.0.3', replaces: false, readsModels: false },
        },
      },
      'replicas',
      'api has 2 containers, and podman-compose makes as many as the files say',
      'set deploy.replicas in the compose file',
    ],
    [
      'by what stands in the way of its point',
      atPodman(SHOP),
      {
        kind: 'to-docker',
        target: aPresent(),
        goal: aPoint(SHOP),
        obstacles: [{ code: 'damaged', message: 'a file is gone', hint: null }],
      },
      'damaged',
      'a file is gone',
      null,
    ],
    [
      'by data that does not fit, all of it together',
      SHOP,
      {
        volumes: [
          { ...data, bytes: 2e6 },
          { ...data, name: 'shop_files', bytes: 1e6 },
        ],
        storage: { directory: '/var/lib/containers', free: 2.5e6 },
      },
      'disk-full',
      'the data takes 3.0 MB, and Podman has 2.5 MB free in /var/lib/containers',
      'free 500.0 kB there',
    ],
  ])('%s', (_, stack, facts, code, message, hint) => {
    const { blockers } = aMove(stack, facts);
    expect(blockers).toEqual([{ code, message, hint }]);
  });

  it.each<[string, Stack | ReturnType<typeof aPresent>, Partial<MoveFacts>]>([
    ['a port that its own container holds now', publishing(), taken(8080)],
    [
      'a volume of others that is not there yet: it goes over',
      SHOP,
      findings({ missingExternal: [{ what: 'volume', name: 'shared' }] }),
    ],
    [
      'an image by digest that is there',
      { services: { api: { ref: 'api@sha256:d1' } } },
      { target: atPodman({ services: { api: { ref: 'api@sha256:d1', states: ['exited'] } } }) },
    ],
    ['an orphan that is down', { services: { api: {}, old: { orphan: true, states: ['exited'] } } }, {}],
    ['replicas where compose scales', { services: { api: { states: ['running', 'running'] } } }, {}],
    [
      'replicas that the files ask for',
      { services: { api: { states: ['running', 'running'], scale: 2 } } },
      {
        target: {
          ...atPodman(),
          provider: { name: 'podman-compose', version: '1.0.3', replaces: false, readsModels: false },
        },
      },
    ],
    [
      'data that just fits, and images that might not',
      SHOP,
      { volumes: [{ ...data, bytes: 2e6 }], storage: { directory: '/var/lib/containers', free: 2e6 } },
    ],
    [
      'data that would not fit and stays',
      SHOP,
      { data: false, volumes: [{ ...data, bytes: 2e6 }], storage: { directory: '/data', free: 0 } },
    ],
    ['data that stays anyway', SHOP, { data: false, volumes: [{ ...data, from: gone, users: ['blog'] }] }],
  ])('not by %s', (_, stack, facts) => {
    expect(aMove(stack, facts).blockers).toEqual([]);
  });

  it('by everything at once', () => {
    const stack: Stack = { modelError: 'broken', services: { api: { states: ['exited'] } } };
    const plan = aMove(stack, { volumes: [{ ...data, from: gone, to: gone, users: ['blog'] }] });
    expect(plan.blockers.map(({ code }) => code)).toEqual([
      'model-invalid',
      'not-running',
      'data-unreadable',
      'data-unwritable',
      'volume-in-use',
    ]);
  });
});

describe('a move tells', () => {
  const existing = { ...data, existing: true };
  const remark = (code: string, message: string, hint: string | null = null): Remark => ({
    code,
    message,
    hint,
  });

  it.each<[string, Partial<MoveFacts>, Remark]>([
    [
      'that data there is replaced',
      { volumes: [existing] },
      remark(
        'data-replaced',
        'the data that shop_data has on Podman is replaced',
        'the safety point keeps it',
      ),
    ],
    [
      'that images and data may not fit',
      { volumes: [data], storage: { directory: '/var/lib/containers', free: 5000 } },
      remark(
        'disk-tight',
        'images and data take up to 2.0 MB, and Podman has 5.0 kB free in /var/lib/containers',
        'images that share layers take less',
      ),
    ],
    [
      'that data stays behind, when it is not to go over',
      { data: false, volumes: [existing] },
      remark(
        'data-stays',
        'shop_data is what it was on Podman: what was written since stays behind',
        'add --keep-data to carry it over',
      ),
    ],
    [
      'that data stays behind, when the move before is taken back',
      { data: false, undoes: 'run-1', volumes: [existing] },
      remark(
        'data-stays',
        'shop_data is what it was on Podman: what was written since stays behind',
        'compose-rollback migrate to-podman carries the data over',
      ),
    ],
    [
      'that there is none there, when it is not to go over',
      { data: false, volumes: [data] },
      remark(
        'volume-missing',
        'shop_data is not on Podman and comes up empty',
        'add --keep-data to carry it over',
      ),
    ],
    [
      'which files become what they were',
      { goal: aPoint(SHOP), files: ['.env', 'compose.yaml'] },
      remark(
        'files-replaced',
        `.env, compose.yaml will be as in ${POINT}`,
        'the point that is made before keeps them',
      ),
    ],
    [
      'which data does not go over at all',
      { left: [{ path: '/cache of api', reason: 'it has no name' }] },
      remark(
        'data-left',
        'the data of /cache of api does not go over: it has no name',
        'a volume with a name goes over',
      ),
    ],
    [
      'which directories both sides use',
      { shared: ['./uploads', '/srv/files'] },
      remark(
        'data-shared',
        'both sides use the same ./uploads, /srv/files: what is written there is not taken back',
      ),
    ],
    [
      'which directories may be of nobody there',
      { directories: [{ name: './uploads', services: ['api'], problem: '999 is nobody there' }] },
      remark(
        'directory-owners',
        'api may not be able to use ./uploads there: 999 is nobody there',
        'the data of a named volume goes over with its owners',
      ),
    ],
    [
      'what is copied while nothing runs',
      { volumes: [{ ...data, from: { driver: 'api', problem: null } }] },
      remark(
        'slow',
        'the data of shop_data is copied through the engine: while nothing runs, and without extended attributes',
      ),
    ],
    [
      'which names will be of another image there',
      { target: atPodman({ services: { redis: { image: 'redis-v2', states: ['exited'] } } }) },
      remark('tag-moves', 'redis:1 is another image on Podman; from now on it is the one that ran'),
    ],
  ])('%s', (_, facts, risk) => {
    expect(aMove(SHOP, facts).risks).toEqual([risk]);
  });

  it('that rootless Podman is where it goes, by name', () => {
    const target = atPodman();
    target.engine.rootless = true;
    expect(aMove(SHOP, { target, volumes: [existing] }).risks[0]?.message).toContain('on rootless Podman is');
  });
});
