import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { HELPER_LABEL } from '../../src/model/engine.js';
import { ApiDriver, NOT_CARRIED } from '../../src/volumes/api.js';
import { type Place, volumePlace } from '../../src/volumes/driver.js';
import { HostDriver } from '../../src/volumes/host.js';
import { inspectTar } from '../../src/volumes/tar.js';
import { connectTestEngine, docker } from '../support/engine.js';
import {
  adorn,
  archiveTo,
  bindPlace,
  everything,
  fill,
  never,
  reading,
  RUN,
  scratch,
  tool,
} from '../support/volumes.js';
import { type Subject, volumeSuite } from './volume-suite.js';

/** A volume of the engine on this machine, so that the tests can look at its files. */
async function volume(engine: Engine): Promise<Place> {
  const name = `volsuite-${randomBytes(4).toString('hex')}`;
  await engine.createVolume(name, {});
  onTestFinished(() => engine.removeVolume(name));
  const made = await engine.volume(name);
  return volumePlace(made ?? expect.fail(`${name} is not there`));
}

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

async function apiSubject(): Promise<Subject> {
  const engine = await connectTestEngine();
  const images = await Promise.all(['redis:7-alpine', 'busybox:latest'].map((name) => engine.image(name)));
  const driver = new ApiDriver(
    engine,
    images.flatMap((image) => image?.id ?? []),
    'test',
  );
  const volumes = async () =>
    (await docker('volume', 'ls', '--quiet', '--filter', 'dangling=true')).split('\n');
  const before = await volumes();
  return {
    driver,
    fine: false,
    place: () => volume(engine),
    restore: (at, archive, compression, signal) => driver.refill(at, archive, compression, signal),
    traces: async ({ name }) => {
      const own = ['--filter', `label=${HELPER_LABEL}`, '--filter', `volume=${name}`];
      const helpers = await docker('ps', '--all', '--quiet', ...own);
      // Anonymous ones that nothing uses any more: their names are hashes.
      const made = (await volumes()).filter((one) => /^[0-9a-f]{64}$/.test(one) && !before.includes(one));
      return [...helpers.split('\n').filter((id) => id !== ''), ...made];
    },
  };
}

volumeSuite('host, a directory', () => Promise.resolve(hostSubject(() => directory())));
volumeSuite('api, a volume', apiSubject);

describe('XFS that can share blocks', () => {
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

/** Once through each of those who read archives, and not through the engine: that takes minutes, and reads by the same code. */
describe('a file whose size takes more than 32 bits', { timeout: 600_000 }, () => {
  const SIZE = 4 * 1024 ** 3 + 7;

  /** A few bytes here and there, and holes. */
  async function large(): Promise<string> {
    const path = join(await scratch(), 'large');
    const file = await open(path, 'w');
    for (const at of [0, 2 ** 31 + 1, SIZE - 4]) await file.write(Buffer.from('mark'), 0, 4, at);
    await file.close();
    return path;
  }

  it('comes back', async () => {
    const { driver, restore } = hostSubject(() => directory());
    const [original, place] = [await large(), await directory()];
    await tool(place.path, 'cp', '--sparse=always', original, 'large');
    const archive = join(await scratch(), 'archive');
    expect(await archiveTo(archive, driver, place, 'zstd')).toMatchObject({ bytes: SIZE });
    await rm(join(place.path, 'large'));
    await restore(place, reading(archive), 'zstd', never);
    await tool(place.path, 'cmp', 'large', original);
  });

  it('is read whole, holes and all, and what comes after it', async () => {
    const path = await large();
    await writeFile(join(dirname(path), 'small'), 'small');
    const argv = ['--create', '--file=-', `--directory=${dirname(path)}`, 'large', 'small'];
    const { stdout } = execa('tar', argv, { encoding: 'buffer', buffer: false });
    const sizes: Record<string, number> = {};
    for await (const { name, size } of inspectTar(stdout)) sizes[name.toString()] = size;
    expect(sizes).toEqual({ large: SIZE, small: 5 });
  });
});

/** `cap_net_raw+ep`. */
const CAPABILITY = '0x0100000200200000000000000000000000000000';

describe('between the drivers', () => {
  it('fills a directory by the engine with what the host archived, a colon in its name included', async () => {
    const { driver: api, restore } = await apiSubject();
    const path = join(await scratch(), 'with:colon');
    await mkdir(path);
    const place = bindPlace(path);
    expect(await api.unfit(place)).toBeUndefined();
    await fill(path);
    await adorn(path);
    const before = await everything(path, { fine: false });
    const file = join(await scratch(), 'archive');
    await archiveTo(file, new HostDriver(), place, 'zstd');
    await writeFile(join(path, 'newer'), 'newer');
    await restore(place, reading(file), 'zstd', never);
    expect(await everything(path, { fine: false })).toEqual(before);
    expect(await tool(path, 'getfattr', '-n', 'user.note', '--only-values', 'plain')).toBe('a "note"');
  });

  it('does not carry by the engine what is said so, and nothing else is lost', async () => {
    const { driver: api } = await apiSubject();
    const path = join(await scratch(), 'data');
    await mkdir(path);
    await fill(path);
    await adorn(path);
    await tool(path, 'setfattr', '-n', 'security.capability', '-v', CAPABILITY, 'binary');
    const file = join(await scratch(), 'archive');
    await archiveTo(file, api, bindPlace(path), 'zstd');
    const text = await tool(path, 'zstd', '-dcq', file);
    expect(text).toContain('SCHILY.xattr.security.capability');
    expect(text).not.toMatch(/user\.note|SCHILY\.acl|GNU\.sparse|mtime=/);
    expect(NOT_CARRIED.join()).toMatch(
      /attributes other than file capabilities.*control lists.*holes.*fract/,
    );
  });
});

describe('emptying by a helper', () => {
  it('takes the first image that has find, and says so when none has', async () => {
    const engine = await connectTestEngine();
    const busybox = (await engine.image('busybox:latest'))?.id ?? '';
    const name = `volsuite-${randomBytes(4).toString('hex')}:bare`;
    await execa('docker', ['import', '-', name], { input: await bareImage() });
    onTestFinished(async () => void (await docker('image', 'rm', name)));
    const bare = (await engine.image(name))?.id ?? '';
    expect(await new ApiDriver(engine, [bare, busybox], 'test').emptiable()).toBeUndefined();
    expect(await new ApiDriver(engine, [bare], 'test').emptiable()).toMatch(
      /^no image here can empty a volume: .*find/,
    );
    expect(await new ApiDriver(engine, [], 'test').emptiable()).toMatch(/no image/);
    expect(await docker('ps', '--all', '--quiet', '--filter', `label=${HELPER_LABEL}`)).toBe('');
  });

  async function bareImage(): Promise<Buffer> {
    return Buffer.from(
      await tool(await scratch(), 'tar', '--create', '--file=-', '--files-from=/dev/null'),
      'latin1',
    );
  }
});
