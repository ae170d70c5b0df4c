import type { Config } from '../model/config.js';
import { RollbackError } from '../model/errors.js';
import type { Point } from '../model/point.js';
import { parseConfig } from '../project/config.js';
import { withKnownHandlers, type Workspace } from './workspace.js';

/**
 * With settings that cannot be read, those that the point recorded: a `rollback.yaml` with a merge conflict must not keep anybody from going back. A point may
 * have come from anywhere: it says how services are judged, and not what is run or recorded on this machine.
 */
export async function withRecordedSettings(workspace: Workspace, point: Point): Promise<Workspace> {
  if (workspace.settings !== 'unreadable') return workspace;
  const { emit, config, handlers } = workspace;
  const warn = (message: string) => emit({ type: 'warning', message });
  const recorded = await readRecorded(workspace, point);
  if (!recorded) {
    warn(`point ${point.id} recorded no settings: the built-in ones are used`);
    return workspace;
  }
  warn(`services are judged by the settings that point ${point.id} recorded, and no hook is run`);
  const services: Config['services'] = { ...config.services };
  for (const [name, service] of Object.entries(recorded.services)) {
    services[name] ??= { ...service, before_rollback: [], after_rollback: [] };
  }
  return { ...workspace, config: { ...config, services: withKnownHandlers(handlers, services, warn) } };
}

async function readRecorded({ store }: Workspace, point: Point): Promise<Config | undefined> {
  try {
    const { settings } = await store.readModel(point);
    return settings === null ? undefined : await parseConfig(settings);
  } catch (error) {
    if (error instanceof RollbackError) return undefined;
    throw error;
  }
}
