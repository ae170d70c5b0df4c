import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Place } from '../../src/volumes/driver.js';
import { HostDriver } from '../../src/volumes/host.js';
import { isMissing, skipWithout } from '../support/needs.js';
import {
  archiveTo,
  bindPlace,
  COMPRESSION,
  never,
  placeWith,
  reading,
  RUN,
  scratch,
  tool,
} from '../support/volumes.js';

/** What only the driver on the engine's own machine does. */

skipWithout('find', 'gzip', 'tar');

const host = new HostDriver();

const beside = async ({ path }: Place) => (await readdir(dirname(path))).toSorted();
const sibling = ({ path }: Place, what: string) =>
  join(dirname(path), `.${basename(path)}.compose-rollback-${RUN}.${what}`);
const text = (path: string) => readFile(path, 'utf8');

async function stage(place: Place, files: Record<string, string>): Promise<void> {
  const file = join(await scratch(), 'archive');
  await archiveTo(file, host, await placeWith(files), COMPRESSION);
  await host.stage(place, RUN, reading(file), COMPRESSION, never);
}

describe('comparing what was staged with its archive', () => {
  const staged = async (place: Place) => {
    const file = join(await scratch(), 'archive');
    await archiveTo(file, host, await placeWith({ a: 'one', b: 'two' }), COMPRESSION);
    await host.stage(place, RUN, reading(file), COMPRESSION, never);
    return () => host.compare(place, RUN, reading(file), COMPRESSION, never);
  };

  it('passes what is equal', async () => {
    const compare = await staged(await placeWith({ old: 'old' }));
    await expect(compare()).resolves.toBeUndefined();
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['a byte', (path) => writeFile(join(path, 'a'), 'onE')],
    ['a mode', (path) => chmod(join(path, 'b'), 0o600)],
    ['a missing file', (path) => rm(join(path, 'b'))],
    ['a time', (path) => utimes(join(path, 'a'), 1, 1)],
  ])('finds %s', async (_, change) => {
    const place = await placeWith({ old: 'old' });
    const compare = await staged(place);
    await change(sibling(place, 'staged'));
    await expect(compare()).rejects.toMatchObject({ code: 'damaged' });
  });
});

describe('swapping', () => {
  it('parks what was there, and brings it back', async () => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await host.leftovers(place)).toEqual([{ run: RUN, what: 'staged' }]);
    await host.swap(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
    expect(await readdir(sibling(place, 'parked'))).toEqual(['old']);
    await host.swap(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
    await host.unswap(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await beside(place)).toEqual(['_data']);
    await host.unswap(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
  });

  it('goes on after a kill between the two renames', async () => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    await rename(place.path, sibling(place, 'parked'));
    await host.swap(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
    expect(await readdir(sibling(place, 'parked'))).toEqual(['old']);
  });

  it('comes back from a swap that was killed between the two renames', async () => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    await rename(place.path, sibling(place, 'parked'));
    await host.unswap(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await beside(place)).toEqual([basename(sibling(place, 'staged')), '_data']);
  });

  it.each([
    ['after the first rename', async (place: Place) => rename(place.path, sibling(place, 'discarded'))],
    [
      'before the removal',
      async (place: Place) => {
        await rename(place.path, sibling(place, 'discarded'));
        await rename(sibling(place, 'parked'), place.path);
      },
    ],
  ])('goes on when unswapping was killed %s', async (_, half) => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    await host.swap(place, RUN);
    await half(place);
    await host.unswap(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await beside(place)).toEqual(['_data']);
  });

  it.each([
    ['nothing was there since', async () => undefined],
    ['an engine made an empty directory for it', (place: Place) => mkdir(place.path)],
  ])('is mended after a kill between the two renames, when %s', async (_, since) => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    await rename(place.path, sibling(place, 'parked'));
    await since(place);
    for (let times = 0; times < 2; times += 1) await host.mend(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await beside(place)).toEqual([basename(sibling(place, 'staged')), '_data']);
  });

  it('needs no mending before and after, nor when there is other data', async () => {
    const place = await placeWith({ old: 'old' });
    await host.mend(place, RUN);
    await stage(place, { fresh: 'fresh' });
    await host.mend(place, RUN);
    expect(await readdir(place.path)).toEqual(['old']);
    await host.swap(place, RUN);
    await host.mend(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
    await stage(place, { fresher: 'fresher' });
    await host.mend(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
    expect(await readdir(sibling(place, 'parked'))).toEqual(['old']);
  });

  it('refuses when nothing is staged, and never replaces what is parked', async () => {
    const place = await placeWith({ old: 'old' });
    await expect(host.swap(place, RUN)).rejects.toMatchObject({
      code: 'failed',
      message: /no data is staged/,
    });
    await stage(place, { fresh: 'fresh' });
    await host.swap(place, RUN);
    await stage(place, { fresher: 'fresher' });
    await expect(host.swap(place, RUN)).rejects.toMatchObject({ code: 'failed' });
    expect(await readdir(sibling(place, 'parked'))).toEqual(['old']);
    expect(await readdir(place.path)).toEqual(['fresh']);
    await rm(place.path, { recursive: true });
    await host.discard(place, RUN, 'parked');
    await expect(host.swap(place, RUN)).rejects.toMatchObject({ code: 'failed', message: /is gone/ });
  });

  it('never replaces what is parked, even when that is empty', async () => {
    const place = await placeWith({});
    await stage(place, { fresh: 'fresh' });
    await host.swap(place, RUN);
    await stage(place, { fresher: 'fresher' });
    await expect(host.swap(place, RUN)).rejects.toMatchObject({ message: /swapped before/ });
    expect(await readdir(sibling(place, 'parked'))).toEqual([]);
  });

  it('discards what is left, a half removed one included, and nothing else', async () => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { fresh: 'fresh' });
    await mkdir(sibling(place, 'discarded'));
    await writeFile(join(sibling(place, 'discarded'), 'half'), '');
    await mkdir(sibling(place, 'staged').replace(RUN, 'run-other'));
    await mkdir(`${place.path}2`);
    expect((await host.leftovers(place)).map(({ what }) => what).toSorted()).toEqual(['discarded', 'staged']);
    for (const { run, what } of await host.leftovers(place)) await host.discard(place, run, what);
    expect(await host.leftovers(place)).toEqual([]);
    await host.discard(place, RUN, 'staged');
    expect(await readdir(place.path)).toEqual(['old']);
    expect(await beside(place)).toHaveLength(3);
  });

  it('stages afresh, and leaves nothing of an attempt that failed', async () => {
    const place = await placeWith({ old: 'old' });
    await stage(place, { first: '1' });
    await stage(place, { second: '2' });
    expect(await readdir(sibling(place, 'staged'))).toEqual(['second']);
    const broken = Readable.from([Buffer.from('no archive')]);
    await expect(host.stage(place, RUN, broken, 'gzip', never)).rejects.toMatchObject({ code: 'damaged' });
    expect(await beside(place)).toEqual(['_data']);
  });
});

describe('places that change meanwhile', () => {
  /** tar waits in the middle of the large file, because nobody reads on, until all has changed. */
  async function archiveWhileChanging(live: boolean): Promise<void> {
    const place = await placeWith({});
    const large = join(place.path, 'large');
    // Does not compress, and is more than all pipes and buffers take.
    await writeFile(large, randomBytes(16_000_000));
    const brief = Array.from({ length: 20 }, (_, at) => join(place.path, `brief-${at}`));
    for (const path of brief) await writeFile(path, '');
    const { stream } = await host.archive(place, { compression: COMPRESSION, signal: never, live });
    await once(stream, 'readable');
    await appendFile(large, 'x');
    for (const path of brief) await rm(path);
    await finished(stream.resume());
  }

  it('are an error', async () => {
    await expect(archiveWhileChanging(false)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/changed while they were read|No such file/),
    });
  });

  it('are none when they are known to be live', async () => {
    await archiveWhileChanging(true);
  });
});

describe('large and sparse', () => {
  it('keeps the holes of a file of 9 GB', async () => {
    const place = await placeWith({});
    await tool(place.path, 'truncate', '--size=9G', 'huge');
    await writeFile(join(place.path, 'huge'), 'end', { flag: 'a' });
    const file = join(await scratch(), 'archive');
    const contents = await archiveTo(file, host, place, COMPRESSION);
    expect(contents.bytes).toBe(9 * 1024 ** 3 + 3);
    await host.stage(place, RUN, reading(file), COMPRESSION, never);
    const { size, blocks } = await stat(join(sibling(place, 'staged'), 'huge'));
    expect(size).toBe(9 * 1024 ** 3 + 3);
    expect(blocks * 512).toBeLessThan(1_000_000);
    expect(await tool(sibling(place, 'staged'), 'tail', '-c', '3', 'huge')).toBe('end');
  });

  it('clones nothing, and leaves nothing, where blocks cannot be shared', async () => {
    const { stdout } = await execa('mktemp', ['--directory', '--tmpdir=/dev/shm']);
    try {
      const place = bindPlace(join(stdout, 'data'));
      await mkdir(place.path);
      await writeFile(join(place.path, 'a'), 'a');
      expect(await host.clone(place, RUN, never)).toBeUndefined();
      expect(await beside(place)).toEqual(['data']);
    } finally {
      await rm(stdout, { recursive: true });
    }
  });
});

describe('what does not fit', () => {
  it.skipIf(isMissing('mount'))('is told', async () => {
    const place = await placeWith({ a: 'a' });
    const base = dirname(place.path);
    await symlink(place.path, join(base, 'link'));
    await symlink(base, join(base, 'way'));
    expect(await host.unfit(place)).toBeUndefined();
    expect(await host.unfit(bindPlace(join(base, 'link')))).toMatch(/is not a directory/);
    expect(await host.unfit(bindPlace(join(base, 'way', '_data')))).toMatch(/symbolic link/);
    expect(await host.unfit(bindPlace(join(base, 'nothing')))).toMatch(/is not a directory/);
    expect(await host.unfit(bindPlace(join(place.path, 'a')))).toMatch(/is not a directory/);
    expect(await host.unfit(bindPlace('/proc'))).toMatch(/something is mounted at \/proc/);
    expect(await host.unfit(bindPlace('/'))).toMatch(/nothing can be put beside/);
    const inner = join(place.path, 'in side');
    await mkdir(inner);
    await execa('mount', ['-t', 'tmpfs', 'none', inner]);
    try {
      expect(await host.unfit(place)).toBe(`something is mounted at ${inner}`);
      expect(await host.unfit(bindPlace(inner))).toBe(`something is mounted at ${inner}`);
    } finally {
      await execa('umount', [inner]);
    }
  });

  it.skipIf(isMissing('mount'))('is what may not be written', async () => {
    const base = await scratch();
    await execa('mount', ['-t', 'tmpfs', 'none', base]);
    try {
      const place = bindPlace(join(base, 'data'));
      await mkdir(place.path);
      expect(await host.unfit(place)).toBeUndefined();
      await execa('mount', ['-o', 'remount,ro', base]);
      expect(await host.unfit(place)).toMatch(/cannot be written: EROFS/);
    } finally {
      await execa('umount', [base]);
    }
  });

  it.skipIf(isMissing('root'))("is what another user's files are, without root", async () => {
    onTestFinished(() => process.seteuid?.(0));
    const place = await placeWith({ a: 'a' });
    const base = dirname(place.path);
    await chmod(base, 0o755);
    process.seteuid?.(65534);
    expect(await host.unfit(place)).toBe(`${place.path} holds files of other users`);
    process.seteuid?.(0);
    await tool(base, 'chown', '65534:0', '.', '_data');
    process.seteuid?.(65534);
    expect(await host.unfit(place)).toBe(`${place.path} holds files of other users`);
    process.seteuid?.(0);
    await tool(base, 'chown', '65534', '_data/a');
    process.seteuid?.(65534);
    expect(await host.unfit(place)).toBeUndefined();
  });

  it('is a listing of a place that is not there', async () => {
    const gone = bindPlace(join(await scratch(), 'gone'));
    await expect(host.listing(gone)).rejects.toMatchObject({ code: 'failed' });
    const read = host.archive(gone, { compression: COMPRESSION, signal: never });
    await expect(read.then(({ stream }) => finished(stream.resume()))).rejects.toMatchObject({
      code: 'failed',
    });
  });

  it('keeps the text of a file that was not staged', async () => {
    const place = await placeWith({ a: 'a' });
    const controller = new AbortController();
    const reason = new Error('enough');
    controller.abort(reason);
    const staged = host.stage(place, RUN, Readable.from([Buffer.alloc(10)]), COMPRESSION, controller.signal);
    await expect(staged).rejects.toBe(reason);
    expect(await text(join(place.path, 'a'))).toBe('a');
    expect(await beside(place)).toEqual(['_data']);
  });
});

it.each([...new Set([COMPRESSION, 'gzip'] as const)])(
  'does not mind what stands behind the end of an archive: %s',
  async (compression) => {
    const place = await placeWith({ old: 'old' });
    const archive = join(await scratch(), 'archive');
    await archiveTo(archive, host, await placeWith({ fresh: 'fresh' }), compression);
    const { stdout } = await execa(compression, ['-dc'], { inputFile: archive, encoding: 'buffer' });
    const padded = join(await scratch(), 'padded');
    await writeFile(padded, Buffer.concat([stdout, Buffer.alloc(8_000_000)]));
    await execa(compression, ['-qk', padded]);
    await host.stage(
      place,
      RUN,
      reading(`${padded}${compression === 'zstd' ? '.zst' : '.gz'}`),
      compression,
      never,
    );
    await host.swap(place, RUN);
    expect(await readdir(place.path)).toEqual(['fresh']);
  },
);
