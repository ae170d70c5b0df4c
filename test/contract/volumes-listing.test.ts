import {
  chmod,
  lutimes,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { execa } from 'execa';
import { describe, expect, it, vi } from 'vitest';
import type { Place } from '../../src/volumes/driver.js';
import { HostDriver } from '../../src/volumes/host.js';
import { isMissing, skipWithout } from '../support/needs.js';
import { archiveTo, COMPRESSION, never, placeWith, scratch, tool } from '../support/volumes.js';

/** What the driver on the engine's own machine knows of files before and while it reads them. */

skipWithout('find', 'gzip', 'tar');

const host = new HostDriver();

/** Two cores, and file times move in steps: a listing is only sure of what is older than that. */
const settled = async (place: Place) => {
  await expect.poll(async () => (await host.listing(place)).digest, { interval: 5 }).not.toBeNull();
  return (await host.listing(place)).digest;
};

describe('archiving into an open file', () => {
  const options = { compression: COMPRESSION, signal: never } as const;
  const into = async () => open(join(await scratch(), 'archive'), 'w+');

  it('gives the bytes that a stream gives, whatever is in there', async () => {
    const place = await placeWith({ one: '1', two: '2'.repeat(1_000_000) });
    await mkdir(join(place.path, '-')); // what tar takes for its own output, and cannot write to
    const path = join(await scratch(), 'archive');
    await using file = await open(path, 'w');
    await host.archiveInto(file, place, options);
    const { stream } = await host.archive(place, options);
    expect((await buffer(stream)).equals(await readFile(path))).toBe(true);
  });

  it("ends with the signal's own reason, and leaves no program running", async () => {
    const place = await placeWith({ one: '1' });
    await tool(place.path, 'truncate', '-s', '100G', 'large');
    await tool(place.path, 'dd', 'if=/dev/urandom', 'of=noise', 'bs=1M', 'count=200', 'status=none');
    const reason = new Error('enough');
    await using file = await into();
    const controller = new AbortController();
    const signal = controller.signal;
    const progress = () => controller.abort(reason);
    await expect(host.archiveInto(file, place, { ...options, signal, progress })).rejects.toBe(reason);
    const running = await tool('/', 'sh', '-c', 'readlink /proc/[0-9]*/cwd; true');
    expect(running.split('\n')).not.toContain(place.path);
    const late = AbortSignal.abort(reason);
    await expect(host.archiveInto(file, place, { ...options, signal: late })).rejects.toBe(reason);
  });

  it('says so when there is no space left', async () => {
    const place = await placeWith({ one: '1' });
    await tool(place.path, 'dd', 'if=/dev/urandom', 'of=noise', 'bs=1M', 'count=5', 'status=none');
    await using full = await open('/dev/full', 'w');
    await expect(host.archiveInto(full, place, options)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('no space left'),
    });
  });
});

describe('listings', () => {
  it('are equal as long as nothing changes, and count as an archive does', async () => {
    const place = await placeWith({ one: '1', two: '22' });
    await tool(place.path, 'ln', 'two', 'three');
    await tool(place.path, 'mkfifo', 'pipe');
    const digest = await settled(place);
    expect(await host.listing(place)).toEqual({ digest, entries: 3, bytes: 3 });
    expect(await archiveTo(join(await scratch(), 'a'), host, place, 'gzip')).toEqual({
      entries: 3,
      bytes: 3,
      listing: digest,
      skipped: [{ path: 'pipe', reason: 'a pipe' }],
    });
    await host.settle(place);
    expect((await host.listing(place)).digest).toBe(digest);
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['a new time', (path) => utimes(join(path, 'one'), 1, 1)],
    [
      'other data of the same length, with the old time put back',
      async (path) => {
        const { atime, mtime } = await stat(join(path, 'one'));
        await writeFile(join(path, 'one'), 'X');
        await utimes(join(path, 'one'), atime, mtime);
      },
    ],
    ['another name', (path) => rename(join(path, 'one'), join(path, 'uno'))],
    ['another mode', (path) => chmod(join(path, 'one'), 0o600)],
    ['a new file', (path) => writeFile(join(path, 'new'), '')],
    ['a file less', (path) => rm(join(path, 'two'))],
    ['a link elsewhere', (path) => tool(path, 'ln', '-sfn', 'two', 'link')],
    ["the directory's own mode", (path) => chmod(path, 0o700)],
  ])('differ after %s', (_, change) => differsAfter(change));

  it.skipIf(isMissing('root'))('differ after another owner', () =>
    differsAfter((path) => tool(path, 'chown', '5:5', 'one')),
  );

  async function differsAfter(change: (path: string) => Promise<unknown>): Promise<void> {
    const place = await placeWith({ one: '1', two: '22' });
    await symlink('one', join(place.path, 'link'));
    await lutimes(join(place.path, 'link'), 1, 1);
    const digest = await settled(place);
    await change(place.path);
    expect(await settled(place)).not.toBe(digest);
  }

  it('are not sure right after a change', async () => {
    const place = await placeWith({ one: '1' });
    // A machine at work may be too slow to begin in time once, not for ever; who is sure came late.
    await vi.waitUntil(async () => {
      await writeFile(join(place.path, 'one'), 'changed');
      const { ctimeMs } = await stat(join(place.path, 'one'));
      const { digest } = await host.listing(place);
      if (digest !== null) expect(Date.now() - ctimeMs).toBeGreaterThan(20);
      return digest === null;
    }, 30_000);
  });

  it('take no notice of times that somebody set to the future', async () => {
    const place = await placeWith({ one: '1' });
    await utimes(join(place.path, 'one'), 4_000_000_000, 4_000_000_000);
    expect(await settled(place)).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('what a place takes on the disk', () => {
  it('is without holes, and hard links count once', async () => {
    const place = await placeWith({});
    const empty = await host.usage(place, never);
    await tool(place.path, 'dd', 'if=/dev/urandom', 'of=noise', 'bs=1M', 'count=2', 'status=none');
    await tool(place.path, 'ln', 'noise', 'again');
    await tool(place.path, 'truncate', '-s', '100G', 'hole');
    await host.settle(place);
    const taken = (await host.usage(place, never)) - empty;
    expect(taken).toBeGreaterThanOrEqual(2 << 20);
    expect(taken).toBeLessThan(3 << 20);
  });

  it('is told while files come and go, and not of what is gone itself', async () => {
    const place = await placeWith({});
    const script = 'while :; do touch a b c d e f g h; mkdir -p i/j/k; rm -r a b c d e f g h i; done';
    const busy = execa('sh', ['-c', script], { cwd: place.path, reject: false });
    try {
      for (let at = 0; at < 50; at += 1) expect(await host.usage(place, never)).toBeGreaterThanOrEqual(0);
    } finally {
      busy.kill();
      await busy;
    }
    await rm(place.path, { recursive: true });
    await expect(host.usage(place, never)).rejects.toMatchObject({ code: 'failed' });
  });
});
