import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMMANDS } from '../../src/cli/commands.js';
import { configSchema, encryptionSchema, serviceConfigSchema } from '../../src/model/config.js';
import { DOCUMENTS, jsonSchemaOf } from '../../src/model/documents.js';
import { RollbackManager } from '../../src/index.js';
import { assertDescription, type PointKind } from '../../src/model/names.js';
import { initProject } from '../../src/points/init.js';
import { storeWithPoints } from '../support/cli-store.js';
import { makeFolder } from '../support/folder.js';

/** What the command line needs of the library: descriptions, documents, lists, init. */

describe('a description', () => {
  it.each([['Before v2.0'], [''], ['-leading dash; $(echo) `x` "quotes" – ünïcode'], ['x'.repeat(500)]])(
    'may be %j',
    (text) => {
      expect(() => assertDescription(text)).not.toThrow();
    },
  );

  it.each([['two\nlines'], ['\u001b[31mred'], ['tab\t'], ['\u0000'], ['\u2028'], ['x'.repeat(501)]])(
    'may not be %j',
    (text) => {
      expect(() => assertDescription(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    },
  );
});

describe('the documents', () => {
  // Those of `migrate` and `backup-dir` print documents of their own.
  const SILENT = ['schema', 'completion', 'migrate', 'backup-dir'];

  it.each(COMMANDS.map(({ name }) => name).filter((name) => !SILENT.includes(name)))(
    '%s has a JSON Schema',
    (name) => {
      expect(jsonSchemaOf(name)).toMatchObject({ $schema: expect.stringContaining('json-schema.org') });
    },
  );

  it('has none for what is no document', () => {
    expect(jsonSchemaOf('nonsense')).toBeUndefined();
    expect(jsonSchemaOf('constructor')).toBeUndefined();
    expect(Object.keys(DOCUMENTS)).toEqual(expect.arrayContaining(['plan', 'error']));
  });
});

describe('lists of points', () => {
  async function manager(): Promise<RollbackManager> {
    const folder = await makeFolder({ 'compose.yaml': 'name: shop\nservices: {}\n' });
    await storeWithPoints(folder.at('rollback/backups'), 'shop');
    return new RollbackManager({ projectRoot: folder.path, env: {} });
  }

  it.each<[{ kinds?: PointKind[]; safety?: boolean }, PointKind[]]>([
    [{}, ['manual', 'manual']],
    [{ safety: true }, ['manual', 'safety', 'manual']],
    [{ kinds: ['guard', 'safety'] }, ['guard', 'safety']],
    [{ kinds: ['guard'], safety: true }, ['guard', 'safety']],
    [{ kinds: [] }, []],
  ])('%j lists points of the kinds %j', async (request, expected) => {
    const points = await (await manager()).listRollbackPoints(request);
    expect(points.map(({ kind }) => kind)).toEqual(expected);
  });

  it('refuses a kind that does not exist', async () => {
    const kinds: PointKind[] = JSON.parse('["manual", "daily"]');
    await expect((await manager()).listRollbackPoints({ kinds })).rejects.toMatchObject({
      code: 'usage',
      message: '"daily" is not a kind of point',
      hint: 'give one of manual, deploy, guard, heal, safety, migration',
    });
  });
});

describe('init', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cli-init-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const init = () => initProject({ directory, backupDir: join(directory, 'rollback/backups') });
  const settings = () => readFile(join(directory, 'rollback.yaml'), 'utf8');
  const ignored = () => readFile(join(directory, '.gitignore'), 'utf8');

  it('writes settings that change nothing as they are', async () => {
    await init();
    expect(configSchema.parse(parse(await settings()) ?? {})).toEqual(configSchema.parse({}));
  });

  it('names every setting with its default', async () => {
    await init();
    const all: unknown = parse(
      (await settings()).split('\n').slice(4).filter(isSetting).join('\n').replaceAll(/^# /gm, ''),
    );
    const parsed = configSchema.parse(all);
    const { services, backup_dir: backupDir, encryption, ...scalars } = parsed;
    const { services: _, ...defaults } = configSchema.parse({});
    expect(scalars).toEqual(defaults);
    expect(backupDir).toBe('rollback/backups');
    expect(Object.keys(configSchema.shape).toSorted()).toEqual(Object.keys(parsed).toSorted());
    expect(Object.keys(encryption ?? {}).toSorted()).toEqual(Object.keys(encryptionSchema.shape).toSorted());
    expect(Object.keys(services['api'] ?? {}).toSorted()).toEqual(
      Object.keys(serviceConfigSchema.shape).toSorted(),
    );
  });

  it('overwrites nothing', async () => {
    await writeFile(join(directory, 'rollback.yaml'), 'mine');
    await expect(init()).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('is there already'),
    });
    expect(await settings()).toBe('mine');
  });

  it('has git ignore the backup directory, once', async () => {
    await execa('git', ['init', '--quiet', directory]);
    await writeFile(join(directory, '.gitignore'), 'node_modules'); // no newline at its end
    expect((await init()).ignored).toBe('/rollback/backups/');
    expect(await ignored()).toBe('node_modules\n/rollback/backups/\n');
    await rm(join(directory, 'rollback.yaml'));
    expect((await init()).ignored).toBeNull();
    expect(await ignored()).toBe('node_modules\n/rollback/backups/\n');
  });

  it('leaves git alone where there is none, or where points are kept elsewhere', async () => {
    expect((await init()).ignored).toBeNull();
    await execa('git', ['init', '--quiet', directory]);
    await rm(join(directory, 'rollback.yaml'));
    expect((await initProject({ directory, backupDir: '/somewhere/else' })).ignored).toBeNull();
    await expect(ignored()).rejects.toThrow('ENOENT');
  });

  /** Comments that are settings, not prose: `# key: value` and what is indented below. */
  function isSetting(line: string): boolean {
    return /^# (?:[a-z_]+:(?: |$)|  )/.test(line);
  }
});
