import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { findBackupPlace, remarksOn } from '../../src/session/backup-place.js';
import { readPlaceRecords, writePlaceRecord, type PlaceRecord } from '../../src/store/places.js';
import { builtCli, documentOf } from '../support/cli.js';
import { storeWithPoints } from '../support/cli-store.js';
import { removeCompiledStore, startChild, temporaryDirectory } from '../support/store.js';

/** Where the points of a project are looked for, in which order, and what readers say of it. */

afterAll(removeCompiledStore);

let folder: string;
let shop: string;
let state: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await temporaryDirectory();
  shop = join(folder, 'shop');
  state = join(folder, 'state');
  env = { COMPOSE_ROLLBACK_STATE_DIR: state };
  await mkdir(shop);
  await writeFile(join(shop, 'compose.yaml'), 'name: shop\nservices: {}\n');
});

const find = (options: { backupDir?: string } = {}, name: string | undefined = 'shop') =>
  findBackupPlace(options, { env }, { directory: shop, files: [join(shop, 'compose.yaml')], name });

/** A backup directory with points in the state directory, recorded for a folder. */
async function recordedPlace(name: string, changes: Partial<PlaceRecord> = {}): Promise<string> {
  const backupDir = join(state, name);
  const record = { directory: shop, project: 'shop', backupDir, movedFrom: null, ...changes };
  await writePlaceRecord(join(state, `${name}.json`), record);
  if (record.backupDir === backupDir) await storeWithPoints(backupDir, 'shop');
  return backupDir;
}

it('a flag comes before the environment, a setting, what is there, a record, and nothing', async () => {
  expect(await find()).toMatchObject({ path: join(shop, 'rollback/backups'), origin: 'undecided' });
  const recorded = await recordedPlace('shop-1');
  expect(await find()).toMatchObject({ path: recorded, origin: 'recorded' });
  await storeWithPoints(join(shop, 'rollback/backups'), 'shop');
  expect(await find()).toMatchObject({ path: join(shop, 'rollback/backups'), origin: 'found' });
  await writeFile(join(shop, 'rollback.yaml'), 'backup_dir: ../setting\n');
  expect(await find()).toMatchObject({ path: join(folder, 'setting'), origin: 'setting' });
  env['COMPOSE_ROLLBACK_BACKUP_DIR'] = 'environment';
  expect(await find()).toMatchObject({ path: join(shop, 'environment'), origin: 'environment' });
  expect(await find({ backupDir: 'flag' })).toMatchObject({ path: join(shop, 'flag'), origin: 'flag' });
});

it('an empty directory at the usual place decides nothing', async () => {
  await mkdir(join(shop, 'rollback/backups'), { recursive: true });
  const recorded = await recordedPlace('shop-1');
  expect((await find()).path).toBe(recorded);
});

it('a recorded directory that was deleted is chosen anew in the state directory, and missed anywhere else', async () => {
  const recorded = await recordedPlace('shop-1');
  await rm(recorded, { recursive: true });
  expect(await find()).toMatchObject({ origin: 'undecided' });
  await recordedPlace('shop-1', { backupDir: join(folder, 'disk/points') });
  await expect(find()).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringContaining('disk/points'),
    hint: expect.stringContaining('--backup-dir'),
  });
});

describe('a folder that moved', () => {
  const gone = () => join(folder, 'releases/1');

  it('takes along what was recorded for a project of its name, when that is the only one', async () => {
    const recorded = await recordedPlace('shop-1', { directory: gone() });
    const place = await find();
    expect(place).toMatchObject({ path: recorded, origin: 'folder-gone' });
    expect(remarksOn(place)).toEqual([expect.stringContaining(gone())]);
    expect(await find({}, 'other')).toMatchObject({ origin: 'undecided', others: [] });
  });

  it('is told of several, and of none whose folder is still there', async () => {
    const recorded = await Promise.all([
      recordedPlace('shop-1', { directory: gone() }),
      recordedPlace('shop-2', { directory: `${gone()}0` }),
    ]);
    await recordedPlace('shop-3', { directory: folder });
    const place = await find();
    expect(place.origin).toBe('undecided');
    const [remark = ''] = remarksOn(place);
    for (const path of recorded) expect(remark).toContain(path);
    expect(remark).not.toContain('shop-3');
  });
});

it('passes over what is no record of ours', async () => {
  await recordedPlace('shop-1');
  const other = join(state, 'shop-2.json');
  await writePlaceRecord(other, { directory: shop, project: 'shop', backupDir: '/', movedFrom: null });
  await chown(other, 12345, 12345);
  await writeFile(
    join(state, 'shop-3.json'),
    '{"directory": "relative", "project": "shop", "backup_dir": "/x"}',
  );
  await writeFile(join(state, 'shop-4.json'), 'nonsense');
  await mkdir(join(state, 'shop-5.json'));
  expect((await readPlaceRecords(state)).map(({ file }) => file)).toEqual([join(state, 'shop-1.json')]);
});

describe('another user', () => {
  const script = `
    const { Store } = await store('store');
    try {
      const opened = await Store.open(argv[0]);
      await (argv[1] === 'read' ? opened.readIndex() : opened.writeIndex());
    } catch (error) {
      console.log(JSON.stringify([error.code, error.message, error.hint]));
    }`;
  const told = async (path: string, how: string) =>
    JSON.parse(await (await startChild(script, [path, how], { uid: 12345, cwd: '/' })).line);

  it('is told whose a backup directory is, in one line with what helps', async () => {
    await chmod(folder, 0o755);
    await storeWithPoints(join(shop, 'rollback/backups'), 'shop');
    const path = join(shop, 'rollback/backups');
    const [code, message, hint] = await told(path, 'read');
    expect([code, message]).toEqual([
      'failed',
      `the backup directory "${path}" cannot be read: it belongs to root`,
    ]);
    expect(hint).toContain('--backup-dir');
  });

  it('is told which folder keeps the backup directory from being made', async () => {
    await chmod(folder, 0o755);
    const path = join(shop, 'rollback/backups');
    const [code, message] = await told(path, 'write');
    expect([code, message]).toEqual([
      'failed',
      `the backup directory "${path}" cannot be written: "${shop}" is in the way, and it belongs to root`,
    ]);
  });
});

describe('the program', () => {
  const cli = builtCli();
  const call = (...argv: string[]) => cli.run(argv, { cwd: shop, env });

  it('finds the points of a folder that moved, and says so', async () => {
    const recorded = await recordedPlace('shop-1');
    await rename(shop, join(folder, 'moved'));
    shop = join(folder, 'moved');
    const { stdout, stderr, code } = await call('list', '--quiet');
    expect([code, stdout]).toEqual([0, 'rb-000000000003\nrb-000000000001\n']);
    expect((await call('list')).stderr).toContain(`! the points in "${recorded}" are used`);
    expect(stderr).toBe('');
  });

  it('names where it looked when there is nothing, and makes nothing', async () => {
    expect((await call('list')).stderr).toContain(`Looked in ${join(shop, 'rollback/backups')}\n`);
    expect((await readdir(folder)).toSorted()).toEqual(['shop']);
  });

  it('shows the directory and who chose it', async () => {
    const recorded = await recordedPlace('shop-1');
    const { stdout } = await call('backup-dir', 'show', '--json');
    expect(documentOf('backup-dir-show', stdout)).toEqual({ path: recorded, origin: 'recorded' });
    expect((await call('backup-dir', 'show')).stdout).toBe(`${recorded}\n`);
  });
});
