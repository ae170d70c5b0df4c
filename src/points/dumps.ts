import { finished } from 'node:stream/promises';
import { RollbackError } from '../model/errors.js';
import type { Dump, Point } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { isUp } from '../plan/services.js';
import { handlerContext, handlerOf, serviceConfig, type Workspace } from '../run/workspace.js';
import type { PointWriter } from '../store/point-writer.js';
import type { Store } from '../store/store.js';
import { availableCompression, compressed, decompressed } from '../volumes/compression.js';

const SUFFIX = { zstd: '.sql.zst', gzip: '.sql.gz' } as const;

/**
 * Has services write out their data that are asked to (`dump: true`), while they run. Throws `config-invalid` for a service that nothing can dump, and
 * what its handler throws; one that does not run is a warning.
 */
export async function recordDumps(
  workspace: Workspace,
  observation: Observation,
  writer: PointWriter,
  services: string[] | undefined,
): Promise<{ dumps: Dump[]; warnings: string[] }> {
  const { config, emit, signal } = workspace;
  const dumps: Dump[] = [];
  const warnings: string[] = [];
  const compression = config.compression === 'gzip' ? 'gzip' : await availableCompression();
  for (const { name: service, containers } of Object.values(observation.services)) {
    if (!serviceConfig(workspace, service).dump || !(services?.includes(service) ?? true)) continue;
    const container = containers.find(isUp);
    const handler = handlerOf(workspace, service, container?.imageRef ?? '');
    if (container && !handler.dump) {
      throw new RollbackError(
        'config-invalid',
        `${service} cannot be dumped: its handler is ${handler.kind}`,
        {
          hint: 'take dump: true away from it, or choose a handler that can: postgres',
        },
      );
    }
    emit({ type: 'progress', service, message: 'writing a dump of its data' });
    const text = container && (await handler.dump?.(handlerContext(workspace, service, observation.model)));
    if (!text) {
      warnings.push(`there is no dump of ${service}: it does not run`);
      continue;
    }
    const stored = `dumps/${service}${SUFFIX[compression]}`;
    const file = await writer.addStream(stored, compressed(text, compression, signal));
    dumps.push({ service, stored, ...file, compression });
  }
  return { dumps, warnings };
}

/** Decodes a dump to its end. Throws `damaged`. */
export async function checkDump(store: Store, point: Point, dump: Dump): Promise<void> {
  const text = decompressed(
    await store.openStored(point, dump),
    dump.compression,
    new AbortController().signal,
  );
  await finished(text.resume());
}
