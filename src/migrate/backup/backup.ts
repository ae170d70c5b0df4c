import { RollbackError } from '../../model/errors.js';
import { MIGRATION_BACKUP } from '../../model/names.js';
import type { Point, SaveImages } from '../../model/point.js';
import { bytes, plural } from '../../plan/text.js';
import { createPoint } from '../../points/create.js';
import { presentAsPoint } from '../../points/diff.js';
import { imagesToSave } from '../../points/images.js';
import { verifyPoints } from '../../points/verify.js';
import { dataSources } from '../../project/data.js';
import { observeForMigration, type Workspace } from '../../session/workspace.js';
import {
  backedUpPoint,
  backupDirectory,
  directoryProblems,
  MANIFEST,
  writeBackupDirectory,
} from './directory.js';

export interface BackupRequest {
  /** The data of volumes too; the configuration's `include_volumes` when absent. */
  includeData?: boolean | undefined;
  /** Puts the new backup in the place of the one that is there. */
  force?: boolean | undefined;
}

/** What is in a backup, or would be. */
export interface BackupReport {
  /** Null when none was made. */
  point: string | null;
  /** Absolute path of `.docker-backup`. */
  directory: string;
  services: string[];
  files: { path: string; size: number }[];
  /** Names of volumes and directories whose data is recorded. */
  volumes: string[];
  images: { ref: string; id: string; archived: boolean }[];
  /** What could have been recorded and is not, and why. */
  skipped: { path: string; reason: string }[];
  warnings: string[];
  /** The point of the backup that was there before; it stays, and is pinned no more. */
  replaced: string | null;
  /** The backup that is there, when none was made. */
  existing: BackupCheck | null;
}

export interface BackupCheck {
  point: string;
  sound: boolean;
  problems: { path: string; problem: string }[];
}

/** Records the project as it is, to come back to when a move fails. The caller holds the project's lock. */
export async function makeBackup(workspace: Workspace, request: BackupRequest): Promise<BackupReport> {
  const before = await backedUpPoint(workspace);
  if (before !== undefined && !request.force) {
    throw new RollbackError(
      'usage',
      `${MIGRATION_BACKUP} leads to a backup already, ${before}; nothing was changed`,
      { hint: '--force puts a new one in its place; the point stays' },
    );
  }
  const point = await createPoint(workspace, {
    kind: 'migration',
    description: 'Before a move between Docker and Podman',
    pin: true,
    saveImages: imagesOf(workspace),
    includeVolumes: includesData(workspace, request),
  });
  await writeBackupDirectory(workspace, point.id, reportLines(point));
  return {
    ...contentsOf(workspace, point, new Set(point.image_archives.map(({ image }) => image))),
    point: point.id,
    replaced: before === undefined ? null : await letGo(workspace, before),
  };
}

/** What `makeBackup` would record, and whether the backup that is there is still whole. Changes nothing. */
export async function previewBackup(workspace: Workspace, request: BackupRequest): Promise<BackupReport> {
  const existing = await checkBackup(workspace);
  const observation = await observeForMigration(workspace);
  const point = presentAsPoint(observation);
  const { sources, skipped } = await dataSources(observation, {
    services: undefined,
    backupDir: workspace.store.path,
    listed: workspace.config.data_directories,
  });
  const names = sources.map(({ name }) => name);
  const data = includesData(workspace, request);
  const left = data
    ? []
    : names.map((path) => ({ path, reason: 'its data is recorded with --include-data' }));
  const saved = await imagesToSave(workspace.engine, point, imagesOf(workspace));
  const contents = contentsOf(workspace, point, new Set(saved.map(({ id }) => id)));
  const broken =
    observation.modelError === undefined ? [] : ['the compose files do not resolve: no backup could be made'];
  return {
    ...contents,
    volumes: data ? names : [],
    skipped: [...contents.skipped, ...(data ? skipped : left)],
    warnings: [...contents.warnings, ...broken],
    existing,
  };
}

/** Those that no registry gives back, at least. */
function imagesOf({ config }: Workspace): SaveImages {
  return config.save_images === 'always' ? 'always' : 'auto';
}

function includesData({ config }: Workspace, { includeData }: BackupRequest): boolean {
  return includeData ?? config.include_volumes;
}

function contentsOf(workspace: Workspace, point: Point, archived: ReadonlySet<string>): BackupReport {
  const images = new Map(Object.values(point.images).map(({ ref, id }) => [ref + id, { ref, id }]));
  return {
    point: null,
    directory: backupDirectory(workspace),
    services: point.services,
    files: [...point.entries, ...point.outside].flatMap((entry) =>
      entry.type === 'file' ? [{ path: entry.path, size: entry.size }] : [],
    ),
    volumes: point.volumes,
    images: [...images.values()].map((image) => ({ ...image, archived: archived.has(image.id) })),
    skipped: point.skipped,
    warnings: point.warnings,
    replaced: null,
    existing: null,
  };
}

function reportLines(point: Point): string[] {
  const { engine, provider } = point.metadata;
  const files = Object.keys(point.config_hashes).length;
  return [
    `Point:     ${point.id}`,
    `Made:      ${point.timestamp}`,
    `Project:   ${point.project.name}`,
    `Engine:    ${engine.kind} ${engine.version}, ${provider.name} ${provider.version}`,
    `Services:  ${point.services.join(', ')}`,
    `Files:     ${files} (${bytes(point.sizes.configs)})`,
    `Volumes:   ${point.volumes.length === 0 ? 'none' : `${point.volumes.join(', ')} (${bytes(point.sizes.volumes)})`}`,
    `Images:    ${plural(point.image_archives.length, 'archive')} (${bytes(point.sizes.images)})`,
    '',
    `Check it:  sha256sum -c ${MANIFEST}, in this directory`,
    `Go back:   compose-rollback rollback ${point.id}`,
  ];
}

/** A point that no backup leads to is a point like any other; a person may have deleted it. */
async function letGo({ store, project }: Workspace, id: string): Promise<string | null> {
  const points = (await store.readIndex())?.points({ project: project.name }) ?? [];
  if (!points.some((point) => point.id === id)) return null;
  await store.setPinned(id, false);
  return id;
}

/** Null when there is no backup. Damage is a result, not an error. */
async function checkBackup(workspace: Workspace): Promise<BackupCheck | null> {
  const { store, project } = workspace;
  const point = await backedUpPoint(workspace);
  if (point === undefined) return null;
  const problems = await verifyPoints(store, project.name, point)
    .then(([verification]) => verification?.problems ?? [])
    .catch((error: unknown) => {
      if (!(error instanceof RollbackError) || error.code !== 'no-such-point') throw error;
      return [{ path: 'point', problem: error.message }];
    });
  const all = problems.length > 0 ? problems : await directoryProblems(workspace, point);
  return { point, sound: all.length === 0, problems: all };
}
