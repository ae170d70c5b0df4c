import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ComposeV2 } from '../../src/engine/compose-v2.js';
import { makeFolder } from '../support/folder.js';

/** A compose that fails `times` times with these words, and tells how often it was called. */
async function failing(times: number, words: string) {
  const folder = await makeFolder();
  const script = `echo called >> ${folder.at('calls')}; [ $(wc -l < ${folder.at('calls')}) -gt ${times} ] || { echo '${words}' >&2; exit 1; }`;
  const endpoint = { host: 'unix:///nowhere', certPath: undefined, sshAgent: undefined, origin: 'test' };
  const program = { name: 'docker compose', argv: ['sh', '-c', script, '--'], endpoint };
  const request = { name: 'shop', directory: folder.path, files: [], profiles: [], envFiles: [], env: {} };
  const up = new ComposeV2(program, {}).up(request, ['web'], { start: true, scale: {} });
  const calls = async () => (await readFile(folder.at('calls'), 'utf8')).trim().split('\n').length;
  return { up, calls };
}

const STUMBLED =
  'Error response from daemon: failed to convert ImageData to ImageInspect: locating image with ID "e7c": image not known';

test('where Podman stumbled over what somebody removed, compose is called again', async () => {
  const { up, calls } = await failing(2, STUMBLED);
  await up;
  expect(await calls()).toBe(3);
});

test('not for ever', async () => {
  const { up, calls } = await failing(99, STUMBLED);
  await expect(up).rejects.toThrow('exit code 1');
  expect(await calls()).toBe(6);
});

test('not for what else goes wrong', async () => {
  const { up, calls } = await failing(1, 'Error response from daemon: No such image: web:latest');
  await expect(up).rejects.toThrow('exit code 1');
  expect(await calls()).toBe(1);
});
