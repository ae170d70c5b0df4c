import { stat } from 'node:fs/promises';
import { messageOf, RollbackError } from '../model/errors.js';
import type { OperationOf } from '../model/plan.js';
import type { VolumeData } from '../model/point.js';
import type { Place } from '../volumes/driver.js';
import type { HostDriver } from '../volumes/host.js';
import { addData, changedPlace, dataOf, keepReplaced, makePlace, type DataToStore } from './data.js';
import { DONE, type Performers } from './executor.js';
import { loadImage } from './images.js';
import type { Destination } from './performers.js';
import type { Workspace } from '../session/workspace.js';

type DataPerformers = Pick<
  Performers,
  'load-image' | 'pull-image' | 'stage-volume' | 'archive-volume' | 'restore-volume' | 'keep-volume'
>;

/** How images and volume data are brought back. `loaded` is told what recorded images are called here. */
export function dataPerformers(
  workspace: Workspace,
  destination: Destination,
  loaded: Map<string, string>,
): DataPerformers {
  const { engine, store, signal } = workspace;
  const { point, run, safety } = destination;
  const recorded = (volume: string) => dataOf(point, volume);

  const restoreData = async ({ volume, driver, from }: OperationOf<'restore-volume'>) => {
    const data = from === 'point' ? recorded(volume) : replacedData(destination, volume);
    const found = await makePlace(workspace, destination, data);
    if (driver === 'api') {
      if (found.copier.driver !== 'api') throw changedPlace(volume);
      const { compression } = recorded(volume);
      const archive = await store.openStored(point, recorded(volume));
      await found.copier.copier.refill(found.place, archive, compression, signal);
      return;
    }
    const { place, host } = onHost(found, volume);
    if (from === 'aside') {
      await host.unswap(place, run);
      return;
    }
    // What a run had put aside is in its safety point, when that is where it goes back to: the data of the failed run need not be kept.
    if (destination.returning) await host.discard(place, run, 'parked');
    await host.swap(place, run);
    const { dev: device, ino: inode } = await stat(place.path);
    destination.swapped?.set(volume, { path: place.path, device, inode });
    if (destination.returning) await host.discard(place, run, 'parked');
  };

  return {
    'load-image': async ({ image }) => {
      loaded.set(image, await loadImage(engine, store, point, image));
      return DONE;
    },
    'pull-image': async ({ image, digest }) => {
      await engine.pull(digest);
      const pulled = await engine.image(digest);
      if (!pulled) throw new RollbackError('failed', `${digest} was pulled and is not there`);
      loaded.set(image, pulled.id);
      return DONE;
    },
    'stage-volume': async ({ volume }) => {
      const data = recorded(volume);
      const { place, host } = onHost(await makePlace(workspace, destination, data), volume);
      const bytes = await store.openStored(point, data);
      await host.stage(place, run, bytes, data.compression, signal);
      await host.compare(place, run, await store.openStored(point, data), data.compression, signal);
      return DONE;
    },
    'archive-volume': async ({ volume }) => {
      const data = recorded(volume);
      await addData(workspace, safety, await makePlace(workspace, destination, data), data.services);
      return DONE;
    },
    'restore-volume': async (operation) => {
      await restoreData(operation);
      return DONE;
    },
    'keep-volume': async ({ volume }) => {
      try {
        await keepReplaced(workspace, safety, recorded(volume), run);
        return DONE;
      } catch (error) {
        const warning = `the replaced data of ${volume} is not archived (${messageOf(error)}); it stays beside it, and undo archives it first`;
        return { note: null, warning };
      }
    },
  };
}

function onHost({ place, copier }: DataToStore, volume: string): { place: Place; host: HostDriver } {
  if (copier.driver === 'host') return { place, host: copier.copier };
  throw changedPlace(volume);
}

function replacedData({ point }: Destination, volume: string): Pick<VolumeData, 'kind' | 'name'> {
  const found = point.replaced.find(({ name }) => name === volume);
  if (found) return found;
  throw new RollbackError('no-such-point', `nothing of ${volume} was put aside`);
}
