import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import type { Findings } from '../model/plan.js';
import type { Observation, Project, ServiceObservation } from '../model/project.js';
import { dataSources } from '../project/data.js';
import type { Reading } from '../project/reading.js';
import { findTakenPorts } from '../runs/ports.js';
import { findPlace, openBareStore } from '../session/locate.js';
import type { ManagerOptions } from '../session/options.js';
import { observePresent, type Workspace } from '../session/workspace.js';
import type { PointLine } from '../store/index-db.js';
import type { Store } from '../store/store.js';
import { usageOf } from './usage.js';

/** A project as it is on Docker, before a move. */
export interface Source {
  project: Project;
  model: ComposeModel | undefined;
  /** Why there is no model: the provider's own words. */
  modelError: string | undefined;
  /** Where points are kept. */
  backupDir: string;
  /** The newest point of kind migration; what went wrong when that cannot be told. */
  backup: PointLine | RollbackError | undefined;
  /** What Docker tells; why it tells nothing. */
  docker: Docker | RollbackError;
}

export interface Docker {
  version: string;
  host: string;
  services: ServiceObservation[];
  /** Ports that the project publishes, and others than itself hold. */
  takenPorts: Findings['takenPorts'];
  /** Bytes of the images in use; of the named volumes, null when that cannot be told. */
  images: number;
  volumes: number | null;
}

export async function sourceOf(workspace: Workspace): Promise<Source> {
  const { identity, project, store } = workspace;
  const observation = await observePresent(workspace);
  const [backup, takenPorts, volumes] = await Promise.all([
    newestBackup(store, project.name),
    findTakenPorts(workspace, observation.model),
    volumeBytes(workspace, observation),
  ]);
  return {
    project,
    model: observation.model,
    modelError: observation.modelError,
    backupDir: store.path,
    backup,
    docker: {
      version: identity.version,
      host: identity.host,
      services: Object.values(observation.services),
      takenPorts,
      images: imageBytes(observation),
      volumes,
    },
  };
}

/** While Docker does not answer: what the files say. */
export async function sourceOfFiles(
  { project, reading }: { project: Project; reading: Reading },
  options: ManagerOptions,
  problem: RollbackError,
): Promise<Source> {
  const { model, modelError } = reading;
  const [{ path }, backup] = await Promise.all([
    findPlace(options),
    newestBackupByFiles(options, project.name),
  ]);
  return { project, model, modelError, backupDir: path, backup, docker: problem };
}

/** A backup directory of another user is one more finding. */
async function newestBackupByFiles(options: ManagerOptions, project: string): Promise<Source['backup']> {
  let store: Store;
  try {
    store = await openBareStore(options);
  } catch (error) {
    if (error instanceof RollbackError) return error;
    throw error;
  }
  try {
    return await newestBackup(store, project);
  } finally {
    store.close();
  }
}

async function newestBackup(store: Store, project: string): Promise<Source['backup']> {
  try {
    return (await store.readIndex())?.pointLines({ project, kinds: ['migration'], limit: 1 })[0];
  } catch (error) {
    if (error instanceof RollbackError) return error;
    throw error;
  }
}

/** Each image once, whatever it is called. */
function imageBytes({ images, services }: Observation): number {
  const used = new Set(
    Object.values(services).flatMap(({ containers }) => containers.map(({ imageId }) => imageId)),
  );
  const sizes = new Map(
    Object.values(images).flatMap((image) => (image ? [[image.id, image.sizeBytes]] : [])),
  );
  return [...used].reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
}

/** Of directories nothing: they are mounted where they are. */
async function volumeBytes(workspace: Workspace, observation: Observation): Promise<number | null> {
  const { config, store } = workspace;
  const { sources } = await dataSources(observation, {
    services: undefined,
    backupDir: store.path,
    listed: config.data_directories,
  });
  const usage = await usageOf(
    workspace,
    sources.filter(({ kind }) => kind === 'volume'),
  );
  let sum = 0;
  for (const bytes of Object.values(usage)) {
    if (bytes === null) return null;
    sum += bytes;
  }
  return sum;
}
