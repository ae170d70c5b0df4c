import type { Stats } from 'node:fs';
import { chown, mkdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DRILL_LABEL } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { keptTag } from '../model/names.js';
import type { Point, PointImage, VolumeData } from '../model/point.js';
import { isInside, isMissing, look, realpathOfExisting, relativeTo } from '../project/paths.js';
import { bytes } from '../plan/text.js';
import { restoreDirectory, restoreFile, restoreSymlink } from '../project/write.js';
import { chooseCopier, locateData } from '../operations/data.js';
import { loadImage, shortImage } from '../operations/images.js';
import type { Workspace } from '../session/workspace.js';
import { mountKey, type mountSources, type Replacement } from './drill-model.js';
import { type Drill, drillTag } from './drill-traces.js';

/** What a drill runs with: the point's images, files and data, each as a copy of its own. */

type Source = ReturnType<typeof mountSources>[number];

/** Gives each image a tag of the drill; the tags by service. Throws `failed` when an image is nowhere, and as `loadImage`. */
export async function provideImages(
  workspace: Workspace,
  drill: Drill,
  point: Point,
  services: readonly string[],
): Promise<{ images: Record<string, string>; warnings: string[] }> {
  const tags = new Map<string, string>();
  const warnings: string[] = [];
  const images: Record<string, string> = {};
  for (const service of services) {
    const image = point.images[service];
    if (!image)
      throw new RollbackError('failed', `point ${point.id} does not tell which image ${service} ran`);
    const known = tags.get(image.id);
    const tag = known ?? drillTag(drill, tags.size);
    images[service] = tag;
    if (known !== undefined) continue;
    tags.set(image.id, tag);
    workspace.signal.throwIfAborted();
    await provideImage(workspace, point, image, tag, warnings);
  }
  return { images, warnings };
}

async function provideImage(
  { engine, store }: Workspace,
  point: Point,
  image: PointImage,
  tag: string,
  warnings: string[],
): Promise<void> {
  const kept = keptTag(point.id, image.id);
  for (const reference of [image.id, kept]) {
    const found = await engine.image(reference);
    const same = reference === image.id || found?.diffIds.join() === image.diff_ids.join();
    if (found && same) return await engine.tag(found.id, tag);
  }
  if (point.image_archives.some((archive) => archive.image === image.id)) {
    await engine.tag(await loadImage(engine, store, point, image.id), tag);
    // The engine did not have it before, and shall not have it afterwards.
    return await engine.untag(kept);
  }
  for (const digest of image.digests) {
    if (!(await engine.canPull(digest))) continue;
    await engine.pull(digest);
    warnings.push(`${digest} was pulled, and stays`);
    const pulled = await engine.image(digest);
    if (pulled) return await engine.tag(pulled.id, tag);
  }
  throw new RollbackError('failed', `image ${image.ref} (${shortImage(image.id)}) is nowhere to be had`, {
    hint: 'nothing can bring this point back as it was: take another point, made with --save-images',
  });
}

/** Writes the point's configuration files into the drill's directory. */
export async function provideFiles({ store }: Workspace, drill: Drill, point: Point): Promise<void> {
  for (const outside of [false, true]) {
    const { copies, originals } = roots(drill, point, outside);
    await mkdir(copies, { mode: 0o755 });
    for (const entry of outside ? point.outside : point.entries) {
      const path = outside ? entry.path.slice(1) : entry.path;
      if (entry.type === 'file') {
        const open = () => store.openFile(point, { path: entry.path, outside });
        await restoreFile(copies, path, open, { mode: entry.mode, owner: entry.owner, inPlace: false });
      } else if (entry.type === 'directory') await restoreDirectory(copies, path, entry.mode, entry.owner);
      else if (entry.type === 'symlink') await restoreSymlink(copies, path, entry.target);
      if ((entry.type === 'file' || entry.type === 'directory') && !entry.owner)
        await giveToSame(join(originals, path), join(copies, path));
    }
  }
}

/** Older points do not tell whose files they are: as in a rollback, whose the file of today is. */
async function giveToSame(original: string, copy: string): Promise<void> {
  const today = await look(original);
  if (today && process.geteuid?.() === 0) await chown(copy, today.uid, today.gid);
}

const roots = ({ directory }: Drill, point: Point, outside: boolean) =>
  outside
    ? { copies: join(directory, 'outside'), originals: '/' }
    : { copies: join(directory, 'project'), originals: point.project.directory };

/** Fills a fresh volume for everything that holds data; what is configuration is mounted from the drill's directory. */
export async function provideMounts(
  workspace: Workspace,
  drill: Drill,
  point: Point,
  sources: readonly Source[],
): Promise<{ mounts: Map<string, Replacement>; warnings: string[] }> {
  const mounts = new Map<string, Replacement>();
  const warnings: string[] = [];
  for (const source of sources) {
    workspace.signal.throwIfAborted();
    const choice = await choose(drill, point, source);
    if (choice.warning !== undefined) warnings.push(`${source.source} ${choice.warning}`);
    if (choice.path !== undefined) mounts.set(mountKey(source), { path: choice.path });
    if (!choice.volume) continue;
    const volume = `${drill.project}_${mounts.size}`;
    await workspace.engine.createVolume(volume, { [DRILL_LABEL]: drill.mark });
    if (choice.data) await fill(workspace, drill, point, choice.data, volume);
    mounts.set(mountKey(source), { volume });
  }
  const needsFiles = [...mounts.values()].some((place) => 'path' in place);
  if (needsFiles && !workspace.identity.local) {
    throw new RollbackError('not-supported', 'services mount files, and the engine is on another machine', {
      hint: 'drill on the machine where the engine is',
    });
  }
  return { mounts, warnings };
}

/** What takes the place of a mount: a volume, with data or empty, or a path; neither when nothing can. */
interface Choice {
  volume?: boolean;
  data?: VolumeData;
  path?: string;
  warning?: string;
}

async function choose(drill: Drill, point: Point, source: Source): Promise<Choice> {
  const inside = source.kind === 'bind' ? relativeTo(point.project.directory, source.source) : undefined;
  const name = inside ?? source.source;
  const data = point.volume_data.find((one) => one.kind === source.kind && one.name === name);
  if (data) return { volume: true, data };
  if (source.kind === 'volume') return { volume: true, warning: NO_DATA };

  const { copies } = roots(drill, point, inside === undefined);
  const copy = join(copies, inside ?? source.source.slice(1));
  const copied = await look(copy);
  if (copied) {
    if (!isInside(await realpath(drill.directory), await realpathOfExisting(copy))) {
      return { warning: 'is a link that leads out of the configuration: it is not mounted' };
    }
    const whole = copied.isFile() || point.directories.some((one) => isInside(`/${one}`, `/${inside}`));
    return { path: copy, ...(!whole && { warning: 'holds only what of it is configuration' }) };
  }
  const today = await statIfThere(source.source);
  if (!today || today.isDirectory()) return { volume: true, warning: NO_DATA };
  // A file of the machine, such as its time zone. Anything else could be a way out: the engine's socket above all.
  if (today.isFile() && source.readOnly && inside === undefined) return { path: source.source };
  return { warning: 'is not in the point: it is not mounted' };
}

const NO_DATA = 'has no data in the point: it begins empty';

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function fill(
  workspace: Workspace,
  { run }: Drill,
  point: Point,
  data: VolumeData,
  volume: string,
): Promise<void> {
  const { store, signal, emit } = workspace;
  emit({
    type: 'phase',
    phase: 'data',
    message: `Unpacking the data of ${data.name} (${bytes(data.bytes)})`,
  });
  const place = await locateData(workspace, { kind: 'volume', name: volume });
  const copier = place && (await chooseCopier(workspace, place));
  if (!place || !copier || copier.driver === null) {
    throw new RollbackError(
      'failed',
      `the data of ${data.name} cannot be unpacked: ${copier?.driver === null ? copier.problem : 'its volume is gone'}`,
    );
  }
  const archive = await store.openStored(point, data);
  if (copier.driver === 'api') {
    await copier.copier.refill(place, archive, data.compression, signal);
    return;
  }
  await copier.copier.stage(place, run, archive, data.compression, signal);
  await copier.copier.swap(place, run);
  await copier.copier.discard(place, run, 'parked');
}
