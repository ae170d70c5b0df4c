import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { HELPER_LABEL } from '../../src/model/engine.js';
import { ApiDriver, NOT_CARRIED } from '../../src/volumes/api.js';
import { type Place, volumePlace } from '../../src/volumes/driver.js';
import { HostDriver } from '../../src/volumes/host.js';
import { connectTestEngine, docker } from '../support/engine.js';
import {
  adorn,
  archiveTo,
  bindPlace,
  everything,
  fill,
  never,
  reading,
  scratch,
  tool,
} from '../support/volumes.js';
import { type Subject, volumeSuite } from '../support/volume-suite.js';

/** A volume of the engine on this machine, so that the tests can look at its files. */
async function volume(engine: Engine): Promise<Place> {
  const name = `volsuite-${randomBytes(4).toString('hex')}`;
  await engine.createVolume(name, {});
  onTestFinished(() => engine.removeVolume(name));
  const made = await engine.volume(name);
  return volumePlace(made ?? expect.fail(`${name} is not there`));
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

volumeSuite('api, a volume', apiSubject);

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
