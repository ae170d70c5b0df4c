import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Place } from '../../src/volumes/driver.js';
import { HostDriver } from '../../src/volumes/host.js';
import { inspectTar } from '../../src/volumes/tar.js';
import { isMissing, type Need, skipWithout } from '../support/needs.js';
import { type Subject, volumeSuite } from '../support/volume-suite.js';
import {
  adorn,
  archiveTo,
  bindPlace,
  COMPRESSION,
  everything,
  fill,
  never,
  reading,
  RUN,
  scratch,
  tool,
} from '../support/volumes.js';

/** The driver on the engine's own machine, against what every driver must do. The one that goes by the engine: test/conformance/volumes.test.ts. */

/** What the suite makes its data with, and looks at it with. */
const SUITE: Need[] = ['find', 'getfattr', 'gzip', 'root', 'setfacl', 'setfattr', 'tar', 'zstd'];

async function directory(parent?: string): Promise<Place> {
  const path = join(parent ?? (await scratch()), `data-${randomBytes(4).toString('hex')}`);
  await mkdir(path);
  return bindPlace(path);
}

function hostSubject(place: () => Promise<Place>): Subject {
  const driver = new HostDriver();
  return {
    driver,
    fine: true,
    place,
    restore: async (at, archive, compression, signal) => {
      await driver.stage(at, RUN, archive, compression, signal);
      await driver.swap(at, RUN);
      await driver.discard(at, RUN, 'parked');
    },
    traces: async ({ path }) => {
      const beside = (await readdir(dirname(path))).filter((name) => name.startsWith(`.${basename(path)}`));
      // Programs that still run in the place or beside it.
      const { stdout } = await execa(
        'find',
        ['/proc', '-maxdepth', '2', '-name', 'cwd', '-lname', `${path}*`],
        {
          reject: false,
        },
      );
      return [...beside, ...stdout.split('\n').filter((line) => line !== '')];
    },
  };
}

describe('on the disk that is there', () => {
  skipWithout(...SUITE);
  volumeSuite('host, a directory', () => Promise.resolve(hostSubject(() => directory())));
});

describe.skipIf(isMissing(...SUITE, 'mkfs.xfs', 'mount'))('XFS that can share blocks', () => {
  let mount: string;

  beforeAll(async () => {
    const { stdout: base } = await execa('mktemp', ['--directory']);
    await execa('truncate', ['--size=400M', join(base, 'disk')]);
    await execa('mkfs.xfs', ['-q', '-m', 'reflink=1', join(base, 'disk')]);
    mount = join(base, 'mounted');
    await mkdir(mount);
    await execa('mount', ['-o', 'loop', join(base, 'disk'), mount]);
    return async () => {
      await execa('umount', [mount]);
      await execa('rm', ['-rf', base]);
    };
  });

  it('clones a place to archive from, in no space, while the place changes', async () => {
    const host = new HostDriver();
    const place = await directory(mount);
    await fill(place.path);
    await adorn(place.path);
    await writeFile(join(place.path, 'large'), randomBytes(50_000_000));
    await host.settle(place);
    const before = await everything(place.path, { fine: true });
    const used = async () =>
      Number((await execa('df', ['--output=used', '-B1', mount])).stdout.split('\n')[1]);
    const [usedBefore, started] = [await used(), performance.now()];
    const { place: clone, listing } = (await host.clone(place, RUN, never)) ?? expect.fail('no clone');
    expect(performance.now() - started).toBeLessThan(3000);
    expect(listing).toBe((await host.listing(place)).digest);
    await host.settle(place);
    expect((await used()) - usedBefore).toBeLessThan(10_000_000);
    expect(await host.leftovers(place)).toEqual([{ run: RUN, what: 'clone' }]);

    await writeFile(join(place.path, 'large'), 'changed');
    expect(await everything(clone.path, { fine: true })).toEqual(before);
    const file = join(await scratch(), 'archive');
    await archiveTo(file, host, clone, 'zstd');
    await host.stage(place, RUN, reading(file), 'zstd', never);
    await host.swap(place, RUN);
    expect(await everything(place.path, { fine: true })).toEqual(before);

    const reason = new Error('enough');
    await expect(host.clone(place, RUN, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect((await host.leftovers(place)).map(({ what }) => what)).toEqual(['parked']);
  });

  volumeSuite('host, XFS', () => Promise.resolve(hostSubject(() => directory(mount))));
});

describe('a file whose size takes more than 32 bits', () => {
  skipWithout('find', 'gzip', 'tar');

  const SIZE = 4 * 1024 ** 3 + 7;
  const MARKS = [0, 2 ** 31 + 1, SIZE - 4];

  /** A few bytes here and there, and holes. */
  async function makeLarge(path: string): Promise<void> {
    await using file = await open(path, 'w');
    for (const at of MARKS) await file.write(Buffer.from('mark'), 0, 4, at);
  }

  /** The bytes around the marks. All else are holes, which take many seconds to read. */
  async function readAroundMarks(path: string): Promise<Buffer[]> {
    await using file = await open(path);
    const around = async (at: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8192), 0, 8192, Math.max(0, at - 4096));
      return buffer.subarray(0, bytesRead);
    };
    return await Promise.all(MARKS.map(around));
  }

  it('comes back', async () => {
    const { driver, restore } = hostSubject(() => directory());
    const place = await directory();
    const path = join(place.path, 'large');
    await makeLarge(path);
    const before = await readAroundMarks(path);
    const archive = join(await scratch(), 'archive');
    expect(await archiveTo(archive, driver, place, COMPRESSION)).toMatchObject({ bytes: SIZE });
    await rm(path);
    await restore(place, reading(archive), COMPRESSION, never);
    expect(await readAroundMarks(path)).toEqual(before);
    const { size, blocks } = await stat(path);
    expect(size).toBe(SIZE);
    expect(blocks * 512).toBeLessThan(1_000_000);
  });

  it('is read whole, and what comes after it', async () => {
    const folder = await scratch();
    await makeLarge(join(folder, 'large'));
    await writeFile(join(folder, 'small'), 'small');
    const tar = (more: string) => tool(folder, 'sh', '-c', `tar --create --file=- ${more}`);
    // GNU tar's header, and the data without its help: it would read all of it.
    const header = Buffer.from(await tar('large | head -c 512'), 'latin1');
    const rest = Buffer.from(await tar('small'), 'latin1');
    const zeros = Buffer.alloc(1024 * 1024);
    async function* archive() {
      yield header;
      for (let left = Math.ceil(SIZE / 512) * 512; left > 0; left -= zeros.length)
        yield zeros.subarray(0, Math.min(left, zeros.length));
      yield rest;
    }
    const sizes: Record<string, number> = {};
    for await (const { name, size } of inspectTar(Readable.from(archive()))) sizes[name.toString()] = size;
    expect(sizes).toEqual({ large: SIZE, small: 5 });
  });
});
