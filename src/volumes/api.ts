import { Readable } from 'node:stream';
import type { Engine } from '../engine/engine.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { heard, vouched } from './child.js';
import { compressed, decompressed } from './compression.js';
import {
  type Archive,
  type ArchiveOptions,
  contentsOnceRead,
  type Contents,
  foreign,
  type Encoding,
  type Place,
  printable,
  type VolumeReader,
} from './driver.js';
import { assertSafe, isItself } from './entries.js';
import { filterTar, inspectTar, movedTar, type TarEntry } from './tar.js';

/** What Docker's streams leave out (measured on 20.10), for a person. A place that has none of it is copied exactly. */
export const NOT_CARRIED = [
  'extended attributes other than file capabilities',
  'access control lists',
  'holes of sparse files, which take their whole size',
  'fractions of seconds in times',
  'sockets, which are left out without a note',
] as const;

const TARGET = '/v';
/** Not `-delete`: Debian's busybox has no such thing. */
const removing = (path: string, depth: string) => [
  'find',
  path,
  '-mindepth',
  depth,
  '-maxdepth',
  depth,
  '-exec',
  'rm',
  '-rf',
  '{}',
  '+',
];
const EMPTY = removing(TARGET, '1');
/** On a file that every container of Docker's has, in one with nothing mounted. */
const TRY = removing('/.dockerenv', '0');
const NO_IMAGE = 'there is no image to make a helper container of';

/**
 * Copies data by the engine's own streams, in and out of a helper container that has it mounted: for engines elsewhere, and users who may not
 * read the files. `images` are ids of images that are there; which one carries a mount does not matter. `owner` marks the helpers.
 */
export class ApiDriver implements VolumeReader {
  readonly name = 'api';
  readonly #engine: Engine;
  readonly #images: string[];
  readonly #owner: string;
  /** The image that can empty places, once one was found. */
  #emptier: string | undefined;

  constructor(engine: Engine, images: string[], owner: string) {
    this.#engine = engine;
    this.#images = images;
    this.#owner = owner;
  }

  async unfit(place: Place): Promise<string | undefined> {
    const why = foreign(place);
    if (why !== undefined) return why;
    if (this.#images.length === 0) return NO_IMAGE;
    const there = place.kind === 'bind' || (await this.#engine.hasVolume(place.name));
    return there ? undefined : `there is no volume ${quoted(place.name)}`;
  }

  async archive(place: Place, { compression, signal, progress }: ArchiveOptions): Promise<Archive> {
    signal.throwIfAborted();
    const [image] = this.#images;
    if (image === undefined) throw new RollbackError('failed', NO_IMAGE);
    const helper = await this.#engine.createHelper({ owner: this.#owner, image, mounts: mountsOf(place) });
    const remove = () => this.#engine.removeHelper(helper);
    try {
      const source = await this.#engine.readArchive(helper, `${TARGET}/.`);
      const contents: Contents = { entries: 0, bytes: 0, skipped: [], listing: null };
      const plain = filterTar(source, (entry) => counted(entry, contents, progress));
      const stream = vouched(compressed(bytesOf(plain), compression, signal), {
        signal,
        complete: remove,
        cleanUp: async () => {
          source.destroy();
          await remove();
        },
      });
      return { stream, contents: contentsOnceRead(stream, () => contents) };
    } catch (thrown) {
      await remove();
      throw thrown;
    }
  }

  /** Why places cannot be emptied and filled again, for a person; undefined when one of the images can run `find` and `rm`. */
  async emptiable(): Promise<string | undefined> {
    if (this.#emptier !== undefined) return undefined;
    let why = NO_IMAGE;
    for (const image of this.#images) {
      const problem = await this.#tryEmptying(image);
      if (problem === undefined) {
        this.#emptier = image;
        return undefined;
      }
      why = problem;
    }
    return `no image here can empty a volume: ${why}`;
  }

  /**
   * Empties the place, then fills it: nothing older is left, and the directory's own owner and mode are the recorded ones. Nobody may use it
   * meanwhile; failing or aborted it is left empty or half full. Throws `damaged`, `unsafe` for what would leave the directory or is a
   * device, `failed`, what `archive` failed with, or the signal's own reason.
   */
  async refill(place: Place, archive: Readable, compression: Encoding, signal: AbortSignal): Promise<void> {
    heard(archive);
    const why = await this.emptiable();
    const image = this.#emptier;
    if (image === undefined) throw new RollbackError('failed', why ?? NO_IMAGE);
    const helper = await this.#engine.createHelper({
      owner: this.#owner,
      image,
      mounts: mountsOf(place),
      command: EMPTY,
    });
    try {
      await this.#engine.runHelper(helper, { signal });
      await this.#assertEmpty(helper, place);
      // Below the root: what is unpacked in the volume itself may hold no symbolic link that leads out of it (measured).
      const plain = movedTar(decompressed(archive, compression, signal), TARGET.slice(1), assertSafe);
      await this.#engine.writeArchive(helper, '/', bytesOf(plain));
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      archive.destroy();
      await this.#engine.removeHelper(helper);
    }
  }

  async #assertEmpty(helper: string, place: Place): Promise<void> {
    const source = await this.#engine.readArchive(helper, `${TARGET}/.`);
    for await (const { name } of inspectTar(source)) {
      if (isItself(name)) continue;
      const words = (await this.#engine.logs(helper, 1)).trim();
      throw new RollbackError('failed', `cannot empty ${quoted(place.name)}: ${words || printable(name)}`);
    }
  }

  /** Why the image's `find` and `rm` cannot empty anything. */
  async #tryEmptying(image: string): Promise<string | undefined> {
    const helper = await this.#engine.createHelper({ owner: this.#owner, image, mounts: {}, command: TRY });
    try {
      const exitCode = await this.#engine.runHelper(helper);
      return exitCode === 0 ? undefined : `its \`find\` ended with ${exitCode}`;
    } catch (thrown) {
      // The engine says so when an image has no such program.
      if (thrown instanceof RollbackError && thrown.code === 'failed') return messageOf(thrown);
      throw thrown;
    } finally {
      await this.#engine.removeHelper(helper);
    }
  }
}

function mountsOf(place: Place): Record<string, string> {
  return { [place.kind === 'bind' ? place.path : place.name]: TARGET };
}

function bytesOf(source: AsyncGenerator<Buffer>): Readable {
  return Readable.from(source, { objectMode: false });
}

function counted(entry: TarEntry, contents: Contents, progress: ArchiveOptions['progress']): boolean {
  if (isItself(entry.name)) return true;
  if (entry.type === 'fifo' || entry.type === 'device') {
    const path = printable(entry.name).replace(/^\.\//, '');
    contents.skipped.push({ path, reason: entry.type === 'fifo' ? 'a pipe' : 'a device' });
    return false;
  }
  contents.entries += 1;
  contents.bytes += entry.size;
  progress?.(contents.bytes);
  return true;
}
