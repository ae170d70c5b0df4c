import type { PointSummary } from '../../src/model/point.js';
import { Store } from '../../src/store/store.js';

/** A backup directory whose index holds a manual, a safety, a manual and a guard point, oldest first; their ids end in 1, 2, 3, 4. */
export async function storeWithPoints(directory: string, project: string): Promise<void> {
  const store = await Store.open(directory, { create: true });
  const index = await store.writeIndex();
  const points = [
    summary(project, 1, '2025-11-04T14:20:00.000Z', 'Before migration'),
    summary(project, 2, '2025-11-04T15:00:00.000Z', 'Before rollback to rb-000000000001'),
    summary(project, 3, '2025-11-05T17:30:00.123Z', 'Before \u001b[31mred\u001b[0m'),
    summary(project, 4, '2025-11-06T08:00:00.000Z', 'Last good state'),
  ] as const;
  index.insertPoint({ ...points[0], name: 'stable', pinned: true, volumes: ['a', 'b'] });
  index.insertPoint({ ...points[1], kind: 'safety' });
  index.insertPoint({
    ...points[2],
    metadata: { ...points[2].metadata, git_commit: `6c3d2010${'0'.repeat(32)}` },
  });
  index.insertPoint({ ...points[3], kind: 'guard' });
  store.close();
}

function summary(project: string, number: number, timestamp: string, description: string): PointSummary {
  const services = ['redis', 'api', 'prometheus', 'grafana'];
  const of = <T>(value: (service: string) => T) =>
    Object.fromEntries(services.map((name) => [name, value(name)]));
  return {
    id: `rb-${String(number).padStart(12, '0')}`,
    sequence: number,
    timestamp,
    description,
    kind: 'manual',
    name: null,
    pinned: false,
    project,
    services,
    failing: [],
    docker_images: of((name) => `${name}:1`),
    config_hashes: { 'compose.yaml': `sha256:${'c'.repeat(64)}` },
    volumes: [],
    images: of((name) => ({
      ref: `${name}:1`,
      id: `sha256:${'a'.repeat(64)}`,
      digests: [],
      platform: 'linux/amd64',
    })),
    sizes: { configs: 1, images: 0, volumes: 0, total: 1 },
    metadata: {
      git_commit: null,
      git_branch: null,
      git_dirty: null,
      hostname: 'host',
      include_volumes: false,
      engine: { kind: 'docker', id: 'engine', version: '20.10', storage_driver: 'overlay2' },
      provider: { name: 'docker compose', version: '2' },
      user: 'root',
      tool_version: '0.1.0',
      run: null,
    },
  };
}
