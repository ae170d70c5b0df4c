import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ComposeV2 } from '../../src/engine/compose-v2.js';
import { composeModelSchema } from '../../src/model/compose.js';
import { makeFolder, type Folder } from '../support/folder.js';

/** A compose that runs this script, with the arguments it is called with; where it may keep things. */
async function scripted(write: (folder: Folder) => string) {
  const folder = await makeFolder();
  const endpoint = { host: 'unix:///nowhere', certPath: undefined, sshAgent: undefined, origin: 'test' };
  const program = { name: 'docker compose', argv: ['sh', '-c', write(folder), '--'], endpoint };
  const request = { name: 'shop', directory: folder.path, files: [], profiles: [], envFiles: [], env: {} };
  return { folder, compose: new ComposeV2(program, {}), request };
}

/** A compose that fails `times` times with these words, and tells how often it was called. */
async function failing(times: number, words: string) {
  const { folder, compose, request } = await scripted(
    ({ at }) =>
      `echo called >> ${at('calls')}; [ $(wc -l < ${at('calls')}) -gt ${times} ] || { echo '${words}' >&2; exit 1; }`,
  );
  const up = compose.up(request, ['web'], { start: true, scale: {} });
  const calls = async () => (await readFile(folder.at('calls'), 'utf8')).trim().split('\n').length;
  return { up, calls };
}

/** As Podman 4.3.1, Podman 5.4.2 and Docker 26 with containerd's image store said while somebody removed images, and Docker 20.10 of a container that ended. */
const STUMBLES = [
  'failed to convert ImageData to ImageInspect: locating image with ID "e7c": image not known',
  'checking if image "e7c" is dangling: locating item named "manifest" for image with ID "e7c" (consider removing the image to resolve the issue): file does not exist',
  'chdir /srv/podman/storage/overlay/e7c/merged: no such file or directory',
  'failed to get rootfs of image docker.io/library/web:v1: rpc error: code = NotFound desc = content digest sha256:e7c: not found',
  'read /proc/3147/cgroup: no such process',
  'cannot stop container: e7c: Container e7c is not running',
].map((words) => `Error response from daemon: ${words}`);

test.each(STUMBLES)(
  'where the engine stumbled over what somebody removed, compose is called again: %s',
  async (words) => {
    const { up, calls } = await failing(2, words);
    await up;
    expect(await calls()).toBe(3);
  },
);

test('not for ever', async () => {
  const { up, calls } = await failing(99, STUMBLES[0] ?? '');
  await expect(up).rejects.toThrow('exit code 1');
  expect(await calls()).toBe(11);
});

test('not for what else goes wrong', async () => {
  const { up, calls } = await failing(1, 'Error response from daemon: No such image: web:latest');
  await expect(up).rejects.toThrow('exit code 1');
  expect(await calls()).toBe(1);
});

/** As 2.26.1 and 2.40.3 print it, byte by byte the same. */
const PRINTED = `name: shop
services:
  api:
    build:
      context: /srv/shop
      dockerfile: Dockerfile
      ssh:
        - default
        - 'key: /root/key'
    command:
      - serve
      - "12:30:45"
      - "0o17"
      - "1_000"
      - "1e3"
      - "~"
      - "null"
      - "true"
      - '- a'
      - 'a: b'
      - 'a #b'
      - =
      - <<
      - '*a'
      - $$HOME
    environment:
      BIG: "12345678901234567890"
      DOLLAR: a$$b
      EMPTY: ""
      FLOAT: "1.1"
      INDENTED: |2-
         one
          two
      LINES: |
        one
        two
      NUMBER: "12345678"
      QUOTES: it's "so"
      SPACES: '  '
      TAB: "\\t"
      UNSET: null
    healthcheck:
      test:
        - CMD-SHELL
        - "true"
      interval: 1m30s
    labels:
      date: "2020-01-01"
      octal: "0123"
      switch: "on"
      "yes": "y"
    networks:
      default: null
    ports:
      - mode: ingress
        target: 80
        published: "8080"
        protocol: tcp
    restart: "no"
    stop_grace_period: 1m30s
networks:
  default:
    name: shop_default
x-base:
  labels:
    date: "2020-01-01"
    octal: "0123"
    switch: "on"
    "yes": "y"
  restart: "no"
x-when: 2020-01-01T00:00:00Z
`;

/** Prints `yaml` as YAML, and fails as compose does where it cannot print JSON. */
async function withoutJson(yaml: string) {
  const printing = await scripted(
    ({ at }) => `case "$*" in
      *'--format json'*) echo "json: error calling MarshalJSON for type types.SSHKey: invalid character" >&2; exit 1;;
      *'config --format yaml') cat '${at('printed.yaml')}';;
      *) exit 9;;
    esac`,
  );
  await printing.folder.write({ 'printed.yaml': yaml });
  return printing.compose.config(printing.request);
}

test('a model that compose cannot print as JSON is read from its YAML, every value as in JSON', async () => {
  const { services, ...model } = await withoutJson(PRINTED);
  expect(services['api']).toMatchObject({
    build: { context: '/srv/shop', ssh: ['default', 'key: /root/key'] },
    command: [
      'serve',
      '12:30:45',
      '0o17',
      '1_000',
      '1e3',
      '~',
      'null',
      'true',
      '- a',
      'a: b',
      'a #b',
      '=',
      '<<',
      '*a',
      '$HOME',
    ],
    environment: {
      BIG: '12345678901234567890',
      DOLLAR: 'a$b',
      EMPTY: '',
      FLOAT: '1.1',
      INDENTED: ' one\n  two',
      LINES: 'one\ntwo\n',
      NUMBER: '12345678',
      QUOTES: `it's "so"`,
      SPACES: '  ',
      TAB: '\t',
      UNSET: null,
    },
    healthcheck: { test: ['CMD-SHELL', 'true'], interval: '1m30s' },
    labels: { date: '2020-01-01', octal: '0123', switch: 'on', yes: 'y' },
    ports: [{ mode: 'ingress', target: 80, published: '8080', protocol: 'tcp' }],
    restart: 'no',
    stop_grace_period: '1m30s',
  });
  expect(model).toMatchObject({
    name: 'shop',
    networks: { default: { name: 'shop_default' } },
    'x-when': '2020-01-01T00:00:00Z',
  });
});

test('YAML that cannot be read is no model, and none of it is told', async () => {
  const failure = await withoutJson('services: { a: "s3cret').catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ code: 'provider-failed', details: [] });
  expect(JSON.stringify(failure)).not.toContain('s3cret');
});

test('a resolved model is hashed as a compose file on stdin, and none of it is a word of the command', async () => {
  const { compose, folder, request } = await scripted(
    ({ at }) => `echo "$*" > ${at('words')}; cat > ${at('read')}; echo 'api abc'; echo 'web def'`,
  );
  const model = composeModelSchema.parse({
    services: {
      api: { image: 'api', command: ['$HOME', 'a\u2028b\u0085\ufeff😀'], build: { ssh: ['key: /key'] } },
      web: { image: 'web' },
    },
  });
  const given = { ...request, files: ['/srv/compose.yaml'], envFiles: ['/srv/gone.env'] };
  expect(await compose.hashModel(given, model)).toEqual({ api: 'abc', web: 'def' });
  expect((await readFile(folder.at('words'), 'utf8')).trim()).toBe(
    `--project-name=shop --project-directory=${folder.path} --file=- --profile=* --env-file=/dev/null config --hash *`,
  );
  const read = await readFile(folder.at('read'), 'utf8');
  expect(read).not.toMatch(/[\u0085\u2028\ufeff]/);
  expect(JSON.parse(read)).toMatchObject({
    services: {
      api: { command: ['$$HOME', 'a\u2028b\u0085\ufeff😀'], build: { context: '.' } },
      web: { image: 'web' },
    },
  });
});
