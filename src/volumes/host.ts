import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Archive, ArchiveOptions, Contents, Encoding, Place, VolumeReader } from './driver.js';
import { archivePlace, archivePlaceInto } from './host-archive.js';
import { type Clone, clonePlace } from './host-clone.js';
import { unfitOnHost } from './host-fitness.js';
import { type Listing, listPlace, settlePlace } from './host-listing.js';
import { discardSibling, type Leftover, leftoversOf, type Sibling } from './host-siblings.js';
import { compareStaged, stagePlace } from './host-stage.js';
import { mendPlace, swapPlace, unswapPlace } from './host-swap.js';
import { usageOfPlace } from './host-usage.js';

/**
 * Copies and replaces data right in the file system, without an engine: for an engine on this machine, and a user who may write there.
 * `run` is the id of the run that works on a place; it is part of the names of what stands beside it meanwhile.
 */
export class HostDriver implements VolumeReader {
  readonly name = 'host';

  unfit(place: Place): Promise<string | undefined> {
    return unfitOnHost(place);
  }

  archive(place: Place, options: ArchiveOptions): Promise<Archive> {
    return Promise.resolve(archivePlace(place, options));
  }

  /** See `archivePlaceInto`. */
  archiveInto(file: FileHandle, place: Place, options: ArchiveOptions): Promise<Contents> {
    return archivePlaceInto(file, place, options);
  }

  /** See `settlePlace`. */
  settle(place: Place): Promise<void> {
    return settlePlace(place);
  }

  /** See `listPlace`. */
  listing(place: Place, signal?: AbortSignal): Promise<Listing> {
    return listPlace(place, signal);
  }

  /** See `usageOfPlace`. */
  usage(place: Place, signal: AbortSignal): Promise<number> {
    return usageOfPlace(place, signal);
  }

  /** See `clonePlace`. */
  clone(place: Place, run: string, signal: AbortSignal): Promise<Clone | undefined> {
    return clonePlace(place, run, signal);
  }

  /** See `stagePlace`. */
  stage(
    place: Place,
    run: string,
    archive: Readable,
    compression: Encoding,
    signal: AbortSignal,
  ): Promise<void> {
    return stagePlace(place, run, archive, compression, signal);
  }

  /** See `compareStaged`. */
  compare(
    place: Place,
    run: string,
    archive: Readable,
    compression: Encoding,
    signal: AbortSignal,
  ): Promise<void> {
    return compareStaged(place, run, archive, compression, signal);
  }

  /** See `swapPlace`. */
  swap(place: Place, run: string): Promise<void> {
    return swapPlace(place, run);
  }

  /** See `unswapPlace`. */
  unswap(place: Place, run: string): Promise<void> {
    return unswapPlace(place, run);
  }

  /** See `mendPlace`. */
  mend(place: Place, run: string): Promise<void> {
    return mendPlace(place, run);
  }

  /** What runs left beside the place. */
  leftovers(place: Place): Promise<Leftover[]> {
    return leftoversOf(place);
  }

  /** Removes what a run left; nothing there: nothing to do. */
  discard(place: Place, run: string, what: Sibling): Promise<void> {
    return discardSibling(place, run, what);
  }
}
