import { randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { HELPER_LABEL, type HelperSpec } from '../../src/model/engine.js';
import { connectTestEngine, docker } from '../support/engine.js';
import { scratch, tool } from '../support/volumes.js';

/** What the volume driver needs of an engine, against the interface alone. */

const MISSING = 'f'.repeat(64);

function engineVolumesSuite(title: string, make: () => Promise<Engine>): void {
  describe(`engine, volumes: ${title}`, () => {
    let engine: Engine;
    let busybox: string;

    beforeAll(async () => {
      engine = await make();
      busybox = (await engine.image('busybox:latest'))?.id ?? '';
    });

    async function volume(): Promise<string> {
      const made = `engvol-${randomBytes(4).toString('hex')}`;
      await engine.createVolume(made, { color: 'red' });
      onTestFinished(() => engine.removeVolume(made));
      return made;
    }

    async function helper(spec: Partial<HelperSpec> = {}): Promise<string> {
      const id = await engine.createHelper({ owner: 'test', image: busybox, mounts: {}, ...spec });
      onTestFinished(() => engine.removeHelper(id));
      return id;
    }

    const sh = (script: string, mounts: Record<string, string> = {}) =>
      helper({ command: ['sh', '-c', script], mounts });
    const anonymous = async () =>
      (await docker('volume', 'ls', '--quiet')).split('\n').filter((id) => /^[0-9a-f]{64}$/.test(id)).length;

    /** An engine that cannot keep owners says so. */
    const archives = async () => {
      if ((await engine.identity()).kind === 'docker') return true;
      const refused = { code: 'not-supported' };
      await expect(async () => engine.readArchive(MISSING, '/')).rejects.toMatchObject(refused);
      await expect(async () => engine.writeArchive(MISSING, '/', Readable.from([]))).rejects.toMatchObject(
        refused,
      );
      return false;
    };

    it('makes volumes, twice like once, tells of them, and removes them', async () => {
      const made = await volume();
      await engine.createVolume(made, {});
      expect(await engine.volume(made)).toEqual({
        name: made,
        driver: 'local',
        options: {},
        labels: { color: 'red' },
        mountpoint: expect.stringMatching(/^\/.*\/_data$/),
        settings: { driver: 'local', 'label.color': 'red' },
      });
      expect(await engine.volume(made.slice(0, -1))).toBeUndefined();
      await engine.removeVolume(made);
      expect(await engine.volume(made)).toBeUndefined();
      await engine.removeVolume(made);
    });

    it('tells what has a label, in the order in which it can be removed', async () => {
      const label = `engvol.${randomBytes(4).toString('hex')}`;
      const labels = ['--label', `${label}=x`];
      const network = await docker('network', 'create', ...labels, label);
      onTestFinished(() => engine.removeNetwork(network));
      await engine.createVolume(label, { [label]: 'x' });
      onTestFinished(() => engine.removeVolume(label));
      const mount = ['--network', label, '--volume', `${label}:/v`];
      const container = await docker('create', ...labels, ...mount, 'busybox:latest');
      onTestFinished(() => engine.removeHelper(container));
      expect(await engine.labelled(label)).toEqual([
        { kind: 'container', id: container, value: 'x' },
        { kind: 'network', id: network, value: 'x' },
        { kind: 'volume', id: label, value: 'x' },
      ]);
      await engine.removeHelper(container);
      for (const _ of ['once', 'twice']) await engine.removeNetwork(network);
      expect(await engine.labelled(label)).toMatchObject([{ kind: 'volume' }]);
      expect(await engine.labelled(`${label}-other`)).toEqual([]);
    });

    it('tells the options of a volume, and does not remove one in use', async () => {
      const made = `engvol-${randomBytes(4).toString('hex')}`;
      await docker('volume', 'create', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs', made);
      onTestFinished(() => engine.removeVolume(made));
      expect(await engine.volume(made)).toMatchObject({ options: { type: 'tmpfs', device: 'tmpfs' } });
      const used = await volume();
      const user = await helper({ mounts: { [used]: '/v' } });
      await expect(engine.removeVolume(used)).rejects.toMatchObject({ code: 'failed' });
      await engine.removeHelper(user);
      expect(await engine.hasVolume(used)).toBe(true);
    });

    it('makes helpers that are found by their label, and runs nothing in them', async () => {
      const id = await helper({ mounts: { [await volume()]: '/v' } });
      const container = await engine.container(id);
      expect(container).toMatchObject({ state: 'created', networkMode: 'none', imageId: busybox });
      expect(container?.labels[HELPER_LABEL]).toBe('test');
      expect(await engine.helpers()).toContainEqual({ id, owner: 'test' });
      expect((await engine.containers()).some((found) => found.id === id)).toBe(true);
    });

    it('leaves no volume of the image behind, and keeps the mounted one', async () => {
      const before = await anonymous();
      const redis = (await engine.image('redis:7-alpine'))?.id ?? '';
      const mounted = await volume();
      const id = await helper({ image: redis, mounts: { [mounted]: '/v' } });
      expect(await anonymous()).toBe(before + 1);
      await engine.removeHelper(id);
      await engine.removeHelper(id);
      expect(await anonymous()).toBe(before);
      expect(await engine.hasVolume(mounted)).toBe(true);
    });

    it('runs helpers as root to their end, and tells exit code and words', async () => {
      expect(await engine.runHelper(await sh('exit 0'))).toBe(0);
      const id = await sh('id -u; echo "$0 $#" >&2; exit 7');
      expect(await engine.runHelper(id)).toBe(7);
      expect((await engine.logs(id, 5)).split('\n').toSorted()).toEqual(['', '0', 'sh 0']);
    });

    it('fails for a program that is not there, and for a directory that is not there', async () => {
      const id = await helper({ command: ['no-such-program'] });
      await expect(engine.runHelper(id)).rejects.toMatchObject({
        code: 'failed',
        message: /no-such-program/,
      });
      const missing = join(await scratch(), 'missing');
      const mounting = helper({ mounts: { [missing]: '/v' } }).then((made) => engine.runHelper(made));
      await expect(mounting).rejects.toMatchObject({ code: 'failed' });
    });

    it("ends with the signal's own reason, and a running helper can be removed", async () => {
      const reason = new Error('enough');
      const controller = new AbortController();
      const id = await sh('sleep 1000');
      const running = engine.runHelper(id, { signal: controller.signal });
      await expect.poll(async () => (await engine.container(id))?.state).toBe('running');
      controller.abort(reason);
      await expect(running).rejects.toBe(reason);
      await engine.removeHelper(id);
      expect(await engine.container(id)).toBeUndefined();
      const late = engine.runHelper(await sh('true'), { signal: AbortSignal.abort(reason) });
      await expect(late).rejects.toBe(reason);
    });

    it('tells what the files of volumes come to', async () => {
      const [full, empty] = [await volume(), await volume()];
      const fill = await sh('dd if=/dev/zero of=/v/file bs=1M count=2', { [full]: '/v' });
      expect(await engine.runHelper(fill)).toBe(0);
      const sizes = await engine.volumeSizes();
      expect(sizes[full]).toBeGreaterThanOrEqual(2 << 20);
      expect(sizes[full]).toBeLessThan(3 << 20);
      expect(sizes[empty]).toBeLessThan(1 << 16);
    });

    it('copies nothing of the image into an empty volume', async () => {
      if (!(await archives())) return;
      const id = await helper({ mounts: { [await volume()]: '/etc' } });
      const names = await listed(await buffer(await engine.readArchive(id, '/etc/.')));
      expect(names).not.toContain('./passwd');
    });

    it('reads and writes archives of a helper that never ran, with owners and modes, or refuses', async () => {
      if (!(await archives())) return;
      const directory = join(await scratch(), 'a:b');
      await mkdir(directory);
      await writeFile(join(directory, 'file'), 'text');
      await tool(directory, 'chown', '999:998', 'file', '.');
      await chmod(join(directory, 'file'), 0o4710);
      const id = await helper({ mounts: { [directory]: '/v' } });
      const archive = await buffer(await engine.readArchive(id, '/v/.'));
      expect(await listed(archive)).toEqual(['./', './file']);

      const name = await volume();
      const other = await helper({ mounts: { [name]: '/v' } });
      await engine.writeArchive(other, '/v', Readable.from([archive]));
      await engine.writeArchive(other, '/v', Readable.from([archive]));
      const look = await sh('stat -c "%u %g %a %n" /v /v/file; cat /v/file', { [name]: '/v' });
      expect(await engine.runHelper(look)).toBe(0);
      expect(await engine.logs(look, 5)).toBe('0 0 755 /v\n999 998 4710 /v/file\ntext');
    });

    it('fails for what is not there or no archive, and gives the source back', async () => {
      if (!(await archives())) return;
      const id = await helper();
      await expect(engine.readArchive(id, '/nothing/.')).rejects.toMatchObject({ code: 'failed' });
      await expect(engine.readArchive(MISSING, '/')).rejects.toMatchObject({ code: 'failed' });
      const source = Readable.from([Buffer.alloc(5_000_000, 1)]);
      await expect(engine.writeArchive(id, '/', source)).rejects.toMatchObject({ code: 'failed' });
      expect(source.destroyed).toBe(true);
      const reason = new Error('the disk broke');
      const broken = Readable.from(
        (async function* half() {
          yield Buffer.alloc(512);
          await Promise.reject(reason);
        })(),
      );
      await expect(engine.writeArchive(id, '/', broken)).rejects.toBe(reason);
    });

    it('gives time to end to what names none', async () => {
      const id = await sh('trap "sleep 1; exit 7" TERM; echo ready; while :; do sleep 0.1; done');
      await docker('start', id);
      await expect.poll(() => engine.logs(id, 1), { timeout: 20_000 }).toContain('ready');
      await engine.stop(id);
      expect(await engine.container(id)).toMatchObject({ state: 'exited', exitCode: 7 });
    });

    it('pauses what runs, twice like once, and leaves alone what does not', async () => {
      const id = await sh('sleep 1000');
      await engine.pause(id);
      expect((await engine.container(id))?.state).toBe('created');
      await docker('start', id);
      await engine.pause(id);
      await engine.pause(id);
      expect((await engine.container(id))?.state).toBe('paused');
      await engine.start(id);
      expect((await engine.container(id))?.state).toBe('running');
      await expect(engine.pause(MISSING)).rejects.toMatchObject({ code: 'failed' });
    });
  });
}

async function listed(archive: Buffer): Promise<string[]> {
  const directory = await scratch();
  await writeFile(join(directory, 'archive'), archive);
  return (await tool(directory, 'tar', '--list', '--file=archive')).trim().split('\n');
}

engineVolumesSuite('Docker', connectTestEngine);
