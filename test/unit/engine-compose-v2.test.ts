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

/** As Podman 4.3.1, Podman 5.4.2 and Docker 26 with containerd's image store said while somebody removed images. */
const STUMBLES = [
  'failed to convert ImageData to ImageInspect: locating image with ID "e7c": image not known',
  'checking if image "e7c" is dangling: locating item named "manifest" for image with ID "e7c" (consider removing the image to resolve the issue): file does not exist',
  'chdir /srv/podman/storage/overlay/e7c/merged: no such file or directory',
  'failed to get rootfs of image docker.io/library/web:v1: rpc error: code = NotFound desc = content digest sha256:e7c: not found',
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
