import { finished } from 'node:stream/promises';
import { RollbackError } from '../model/errors.js';
import type { Dump, Point } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { handlerContext, handlerOf, serviceConfig, type Workspace } from '../session/workspace.js';
import type { PointWriter } from '../store/point-writer.js';
import type { Store } from '../store/store.js';
import { availableCompression, compressed, decompressed } from '../volumes/compression.js';

const SUFFIX = { zstd: '.sql.zst', gzip: '.sql.gz' } as const;

/** The services that are asked for a dump (`dump: true`). Throws `config-invalid` for one that nothing can dump. */
export function chooseDumps(
  workspace: Workspace,
  { services }: Observation,
  chosen: string[] | undefined,
): string[] {
  const asked = Object.values(services).filter(
    ({ name }) => serviceConfig(workspace, name).dump && (chosen?.includes(name) ?? true),
  );
  for (const { name, containers } of asked) {
    const [container] = containers;
    const handler = handlerOf(workspace, name, container?.imageRef ?? '');
    if (!container || handler.dump) continue;
    throw new RollbackError('config-invalid', `${name} cannot be dumped: its handler is ${handler.kind}`, {
      hint: 'take dump: true away from it, or choose a handler that can: postgres',
    });
  }
  return asked.map(({ name }) => name);
}

/** Has services write out their data, while they run. One that does not run is a warning. Throws `failed` when one cannot. */
export async function recordDumps(
  workspace: Workspace,
  observation: Observation,
  writer: PointWriter,
  services: string[],
): Promise<{ dumps: Dump[]; warnings: string[] }> {
  const { config, emit, signal } = workspace;
  const dumps: Dump[] = [];
  const warnings: string[] = [];
  const compression = config.compression === 'gzip' ? 'gzip' : await availableCompression();
  for (const service of services) {
    const { imageRef = '' } = observation.services[service]?.containers[0] ?? {};
    const handler = handlerOf(workspace, service, imageRef);
    emit({ type: 'progress', service, message: 'writing a dump of its data' });
    const text = await handler.dump?.(handlerContext(workspace, service, observation.model));
    if (!text) {
      warnings.push(`there is no dump of ${service}: it does not run`);
      continue;
    }
    const stored = `dumps/${service}${SUFFIX[compression]}`;
    const file = await writer
      .addStream(stored, compressed(text, compression, signal))
      .catch(notDumped(service));
    dumps.push({ service, stored, ...file, compression });
  }
  return { dumps, warnings };
}

const notDumped = (service: string) => (error: unknown) => {
  if (!(error instanceof RollbackError) || error.code !== 'failed') throw error;
  throw new RollbackError('failed', `${service} cannot be dumped: ${error.message}; nothing was stored`, {
    hint:
      error.hint ??
      `see to ${service} (a dump takes an administrator's account), or take dump: true away from it`,
    cause: error,
  });
};

/** Decodes a dump to its end. Throws `damaged`. */
export async function checkDump(store: Store, point: Point, dump: Dump): Promise<void> {
  const text = decompressed(
    await store.openStored(point, dump),
    dump.compression,
    new AbortController().signal,
  );
  await finished(text.resume());
}
