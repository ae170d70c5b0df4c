import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { builtCli, documentOf, type Ended } from '../support/cli.js';
import { skipWithout } from '../support/needs.js';

/** A real compose file as Quadlet units, by way of the compose program; no engine is asked. */

skipWithout('docker compose');

const cli = builtCli();
const PASSWORD = 'correct-$horse%-battery';

const COMPOSE = `
name: shop
services:
  web:
    image: nginx:1.25
    command: [sh, -c, 'echo "$$HOME is 100%"; exec nginx']
    environment: { PASSWORD: '\${PASSWORD}' }
    ports: ['127.0.0.1:8080:80']
    volumes: ['data:/data', './conf:/conf:ro']
    labels: { auth: 'user:\${PASSWORD}' }
    depends_on: [db]
    restart: always
    gpus: all
  db:
    image: quay.io/db/db
    healthcheck: { test: 'db-ready -U "$$USER"', interval: 5s }
    networks: { default: { aliases: [data] } }
volumes: { data: {} }
`;

const FILES = [
  'shop-data.volume',
  'shop-db.container',
  'shop-default.network',
  'shop-web.container',
  'shop-web.env',
];

let home = '';
let shop = '';
let units = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'e2e-quadlet-'));
  shop = join(home, 'shop');
  await mkdir(shop);
  await writeFile(join(shop, 'compose.yaml'), COMPOSE);
});
beforeEach(() => {
  units = join(home, `units-${Math.random()}`, 'deep');
});
afterAll(() => rm(home, { recursive: true, force: true }));

const quadlet = (...argv: string[]): Promise<Ended> =>
  cli.run(['migrate', 'quadlet', ...argv], {
    cwd: shop,
    env: { HOME: home, PASSWORD, DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
  });

const unit = (name: string) => readFile(join(units, name), 'utf8');

describe('without --output', () => {
  test('it shows the units and writes nothing', async () => {
    const before = await readdir(home, { recursive: true });
    const { code, stdout, stderr } = await quadlet();
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('==> shop-web.container <==\n# Of the compose project shop');
    expect(stdout).toContain('\nPublishPort=127.0.0.1:8080:80/tcp\n');
    expect(stderr).toContain('Nothing was written');
    expect(stderr).toContain('~/.config/containers/systemd/');
    expect(await readdir(home, { recursive: true })).toEqual(before);
  });

  test('what no unit can say is told, by service', async () => {
    expect((await quadlet()).stderr).toContain('! web: gpus has no counterpart in a unit\n');
  });

  test('no secret is shown', async () => {
    for (const argv of [[], ['--json']]) {
      const { stdout, stderr } = await quadlet(...argv);
      expect(stdout).toContain('auth=user:***');
      expect(stdout + stderr).not.toMatch(/correct-|horse/);
    }
  });

  test('programs get a document', async () => {
    const { stdout } = await quadlet('--json');
    expect(documentOf('migrate-quadlet', stdout)).toMatchObject({
      project: 'shop',
      directory: null,
      environments: [{ name: 'shop-web.env', variables: ['PASSWORD'] }],
      remarks: [{ about: 'web', remark: 'gpus has no counterpart in a unit' }],
    });
  });
});

describe('--output', () => {
  test('writes them as they are, for nobody else to read', async () => {
    const { code, stdout, stderr } = await quadlet('--output', units);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`5 files in ${units}`);
    expect((await readdir(units)).toSorted()).toEqual(FILES);
    for (const name of FILES) expect((await stat(join(units, name))).mode & 0o777).toBe(0o600);
    expect(await unit('shop-web.env')).toBe(`PASSWORD=${PASSWORD}\n`);

    const web = await unit('shop-web.container');
    expect(web).toContain('\nExec=sh -c "echo \\"$$HOME is 100%%\\"; exec nginx"\n');
    expect(web).toContain('\nLabel=auth=user:correct-$$horse%%-battery\n');
    expect(web).toContain('\nRequires=shop-db.service\nAfter=shop-db.service\n');
    expect(web).toContain(`\nVolume=shop-data.volume:/data\nVolume=${join(shop, 'conf')}:/conf:ro\n`);
    expect(await unit('shop-data.volume')).toContain('\nVolumeName=shop_data\n');
    const db = await unit('shop-db.container');
    expect(db).toContain('\nImage=quay.io/db/db\n');
    expect(db).toContain('\nNetwork=shop-default.network:alias=db,alias=data\n');
  });

  test('refuses to write over anything, unless it is a file and --force is there', async () => {
    await mkdir(units, { recursive: true });
    await writeFile(join(units, 'shop-web.env'), 'MINE=1\n');
    const refused = await quadlet('-o', units);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/"shop-web.env" is in .* already; nothing was written\nhint: .*--force/);
    expect(await readdir(units)).toEqual(['shop-web.env']);

    await symlink(join(home, 'elsewhere'), join(units, 'shop-web.container'));
    expect((await quadlet('-o', units, '--force')).code).toBe(2);
    expect(await unit('shop-web.env')).toBe('MINE=1\n');

    await rm(join(units, 'shop-web.container'));
    await chmod(join(units, 'shop-web.env'), 0o644);
    expect((await quadlet('-o', units, '--force')).code).toBe(0);
    expect((await readdir(units)).toSorted()).toEqual(FILES);
    expect(await unit('shop-web.env')).toContain(PASSWORD);
    expect((await stat(join(units, 'shop-web.env'))).mode & 0o777).toBe(0o600);
  });
});

test('files that do not resolve are a clear failure', async () => {
  await writeFile(join(shop, 'broken.yaml'), 'services: { web: { image: } }\n');
  const { code, stdout, stderr } = await quadlet('-f', 'broken.yaml', '-o', units);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('the compose files do not resolve');
  await expect(readdir(units)).rejects.toThrow('ENOENT');
});
