import { createHash } from 'node:crypto';
import { access, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RollbackManager } from '../../../src/index.js';
import { cli, type CliResult, docker, filesOf } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** Text and files that somebody else made. They reach no shell, lead nowhere outside, and get one clear line. */

let shop: Shop;
let backups: string;
/** What a link would lead to. */
let elsewhere: string;

beforeAll(async () => {
  shop = await aShop('e2e-hostile', {
    files: { 'app.conf': 'colour = blue\n', 'rollback.yaml': 'config_files: [app.conf]\n' },
  });
  await shop.write({ 'app.conf': 'colour = red\n' });
  backups = shop.path('rollback/backups');
  elsewhere = shop.path('elsewhere');
});

/** One line what happened, perhaps one what to do; never a stack. */
function expectClear({ exitCode, stderr, stdout }: CliResult, codes: number[]): void {
  expect(codes, stderr).toContain(exitCode);
  expect(stdout).toBe('');
  const lines = stderr.split('\n').filter((line) => line !== 'Looking at what runs');
  expect(lines[0]).toMatch(/^compose-rollback: \S/);
  expect(lines.length, stderr).toBeLessThanOrEqual(2);
  for (const line of lines) expect(line.length).toBeLessThan(400);
}

describe('words', () => {
  const marker = '/tmp/compose-rollback-hostile-was-here';
  const HOSTILE = [
    '../x',
    '../../../../etc/passwd',
    '/etc/passwd',
    'rb-../..',
    'rb-000000000000/../..',
    'latest~-1',
    'two\nlines',
    '\u001b[31mred',
    `$(touch ${marker})`,
    `\`touch ${marker}\`; touch ${marker}`,
    '',
    'x'.repeat(10_000),
  ];
  /** Two that only look, so that all words can be tried side by side: one asks the engine, one does not. */
  const LOOKING: Record<string, (word: string) => string[]> = {
    show: (word) => ['show', '--', word],
    'rollback --dry-run': (word) => ['rollback', '--dry-run', '--', word],
  };
  /** Every place for a word. */
  const PLACES: ((word: string) => string[])[] = [
    (word) => ['diff', shop.point, '--', word],
    (word) => ['verify', '--', word],
    (word) => ['rollback', '--yes', '--', word],
    (word) => ['rollback', '--yes', `--to-snapshot=${word}`],
    (word) => ['rollback', shop.point, '--yes', `--services=${word}`],
    (word) => ['undo', '--yes', '--', word],
    (word) => ['delete', '--yes', '--', word],
    (word) => ['pin', '--', word],
    (word) => ['create', `--name=${word}`],
    (word) => ['create', `--services=${word}`],
    (word) => ['rollback-service', '--yes', '--', word],
    (word) => ['rollback-service', '--yes', 'api', '--', word],
    (word) => [`--project-name=${word}`, 'create'],
  ];

  for (const [command, argv] of Object.entries(LOOKING)) {
    test(`${command}: every one is refused`, async () => {
      await leavesAllAsItWas(shop, async () => {
        const results = HOSTILE.map((word) => cli(shop, ...argv(word)));
        for (const result of await Promise.all(results)) expectClear(result, [2, 10]);
      });
      await expect(access(marker)).rejects.toThrow('ENOENT');
    });
  }

  test('wherever a word is taken it is refused, nothing made or deleted', async () => {
    await leavesAllAsItWas(shop, async () => {
      for (const argv of PLACES.flatMap((place) => [place('../../x'), place(`$(touch ${marker})`)])) {
        expectClear(await cli(shop, ...argv), [2, 10]);
      }
    });
    await expect(access(marker)).rejects.toThrow('ENOENT');
  });

  test('a compose file that is not there: nothing is recorded in its place, or made where it would be', async () => {
    await leavesAllAsItWas(shop, async () => {
      for (const file of ['../../x', `../${basename(shop.directory)}-x/x`, `$(touch ${marker})`, '/x']) {
        expectClear(await cli(shop, `--file=${file}`, 'create'), [2]);
      }
    });
    for (const made of [marker, `${shop.directory}-x`]) await expect(access(made)).rejects.toThrow('ENOENT');
  });

  test('a leading dash is an option, and unknown', async () => {
    for (const command of ['show', 'rollback', 'delete', 'undo', 'rollback-service']) {
      expectClear(await cli(shop, command, '-rf'), [2]);
    }
  });

  test('a description of many lines, or very long', async () => {
    await leavesAllAsItWas(shop, async () => {
      for (const text of ['two\nlines', 'x'.repeat(10_000)])
        expectClear(await cli(shop, 'create', text), [2]);
    });
  });

  test('a NUL, which only the library can be given', async () => {
    const manager = new RollbackManager({
      projectRoot: shop.directory,
      env: { ...process.env, PWD: shop.directory },
    });
    const usage = expect.objectContaining({ code: 'usage' });
    await leavesAllAsItWas(shop, async () => {
      await expect(manager.showRollbackPoint('rb-\0')).rejects.toEqual(usage);
      await expect(manager.rollback('a\0b', { dryRun: true })).rejects.toEqual(usage);
      await expect(manager.rollbackService('a\0b', undefined, { dryRun: true })).rejects.toEqual(usage);
      await expect(manager.rollbackService('api', 'a\0b', { dryRun: true })).rejects.toEqual(usage);
      await expect(manager.createRollbackPoint({ name: 'a\0b' })).rejects.toEqual(usage);
    });
  });
});

describe('links in the backup directory', () => {
  let original: string;
  let place: string;

  /** Moves a thing out of the backup directory and leaves a link to it. */
  async function lead(name: string): Promise<void> {
    place = `${backups}/${name}`;
    original = `${elsewhere}/${name.replaceAll('/', '-')}`;
    await mkdir(elsewhere, { recursive: true });
    await rename(place, original);
    await symlink(original, place);
  }

  afterEach(async () => {
    await rm(place);
    await rename(original, place);
  });

  test('a point: not shown, not used, not deleted', async () => {
    await lead(shop.point);
    const there = await filesOf(elsewhere);
    for (const argv of [['show'], ['rollback', '--yes'], ['delete', '--yes']]) {
      const result = await leavesOnlyATrace(shop, () => cli(shop, ...argv, shop.point));
      expectClear(result, [2]);
      expect(result.stderr).toMatch(new RegExp(`${shop.point}" is a symlink`));
    }
    expect(await filesOf(elsewhere)).toEqual(there);
  });

  test("a point's folder of files: blocked", async () => {
    await lead(`${shop.point}/configs`);
    const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
      cli(shop, 'rollback', shop.point, '--yes'),
    );
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('configs" is a symlink')]);
    expect((await cli(shop, 'verify', shop.point)).exitCode).toBe(1);
  });

  for (const name of ['index.db', 'audit.jsonl', 'runs']) {
    test(`${name}: no command that writes uses it`, async () => {
      if (name === 'runs') await mkdir(`${backups}/runs`, { recursive: true });
      await lead(name);
      const there = await filesOf(elsewhere);
      for (const argv of [['create'], ['rollback', shop.point, '--yes'], ['delete', shop.point, '--yes']]) {
        const result = await leavesOnlyATrace(shop, () => cli(shop, ...argv));
        expectClear(result, [2]);
        expect(result.stderr).toMatch(new RegExp(`${name}" is (?:a symlink|not a regular file)`));
      }
      expect(await filesOf(elsewhere)).toEqual(there);
    });
  }
});

describe('the backup directory itself', () => {
  test('a link is not followed', async () => {
    onTestFinished(() => rm(shop.path('points'), { force: true }));
    await symlink(backups, shop.path('points'));
    for (const argv of [['list'], ['create'], ['rollback', shop.point, '--yes']]) {
      const result = await leavesAllAsItWas(shop, () => cli(shop, '--backup-dir', 'points', ...argv));
      expectClear(result, [2]);
      expect(result.stderr).toContain('points" is a symlink');
    }
  });

  test('a directory with other things in it does not become one', async () => {
    const result = await leavesAllAsItWas(shop, () => cli(shop, '--backup-dir', '.', 'create'));
    expectClear(result, [2]);
    expect(result.stderr).toContain('holds other things');
  });
});

describe('a point that was tampered with, its checksum made to fit', () => {
  let copy: string;

  afterEach(async () => {
    await rm(`${backups}/${shop.point}`, { recursive: true, force: true });
    await rename(copy, `${backups}/${shop.point}`);
  });

  /** Replaces one text in the point's record by another. */
  async function tamper(from: string, to: string): Promise<void> {
    copy = shop.path('copy');
    await cp(`${backups}/${shop.point}`, copy, { recursive: true });
    const record = `${backups}/${shop.point}/point.json`;
    const text = (await readFile(record, 'utf8')).replace(from, () => to);
    await writeFile(record, text);
    const sum = createHash('sha256').update(text).digest('hex');
    await writeFile(`${record}.sha256`, `${sum}  point.json\n`);
  }

  const outside = '../../../../../../../../etc/passwd';

  test('a file to be read from outside the point: refused before anything stops', async () => {
    await tamper('"stored": "configs/app.conf"', `"stored": "${outside}"`);
    const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
      cli(shop, 'rollback', shop.point, '--yes'),
    );
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('does not stay inside')]);
  });

  /** Beside the project, so that a program that does write there does no harm. */
  const canary = () => `${shop.directory}-canary`;
  const places: Record<string, () => string> = {
    'above the project': () => `../${basename(canary())}`,
    'an absolute path': canary,
    'around a corner': () => `configs/../../${basename(canary())}`,
    'the index': () => 'rollback/backups/index.db',
  };
  for (const [where, placeOf] of Object.entries(places)) {
    test(`a file to be written to ${where}: refused before anything stops`, async () => {
      const path = placeOf();
      await tamper('"path": "app.conf"', `"path": "${path}"`);
      const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
        cli(shop, 'rollback', shop.point, '--yes'),
      );
      expect([2, 3], stderr).toContain(exitCode);
      expect(stderr).toContain(path);
      await expect(access(canary())).rejects.toThrow('ENOENT');
    });
  }

  test('a compose file to be read from outside the project: refused before anything stops', async () => {
    await tamper('"files": [\n      "compose.yaml"', `"files": [\n      "${outside}"`);
    const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
      cli(shop, 'rollback', shop.point, '--yes'),
    );
    expect([2, 3], stderr).toContain(exitCode);
    expect(stderr).not.toContain('root:x:0');
  });

  test('a compose model that is none: refused before anything stops', async () => {
    const model = '{"format":1,"model":{"services":7},"model_error":null,"variables":[]}';
    const sum = createHash('sha256').update(model).digest('hex');
    const record = await readFile(`${backups}/${shop.point}/point.json`, 'utf8');
    const [then = ''] = /"stored": "model\.json",[^}]*/.exec(record) ?? [];
    const stated = `"stored": "model.json", "size": ${model.length}, "sha256": "sha256:${sum}"`;
    await tamper(then, stated);
    await writeFile(`${backups}/${shop.point}/model.json`, model);
    const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
      cli(shop, 'rollback', shop.point, '--yes'),
    );
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('the compose model of point')]);
  });

  test('a tag of somebody else to be taken away with the point', async () => {
    const other = `${shop.name}-other:latest`;
    await docker('tag', 'busybox:latest', other);
    const [kept = ''] =
      /compose-rollback\/kept:[^"]+/.exec(await readFile(`${backups}/${shop.point}/point.json`, 'utf8')) ??
      [];
    await tamper(kept, other);
    await cli(shop, 'delete', shop.point, '--yes');
    await docker('image', 'inspect', other);
  });
});
