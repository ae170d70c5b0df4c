import { createReadStream } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Compression } from '../../src/model/point.js';
import { decompressed } from '../../src/volumes/compression.js';
import type { Place, VolumeReader } from '../../src/volumes/driver.js';
import { countEntries } from '../../src/volumes/entries.js';
import { inspectTar } from '../../src/volumes/tar.js';
import { adorn, archiveTo, everything, fill, never, openSocket, reading, scratch, tool } from './volumes.js';

export interface Subject {
  driver: VolumeReader;
  /** Extended attributes, access control lists, holes, fractions of seconds. */
  fine: boolean;
  /** An empty place, gone when the test ends. */
  place: () => Promise<Place>;
  /** Whatever the place held, it holds the archive afterwards. */
  restore: (place: Place, archive: Readable, compression: Compression, signal: AbortSignal) => Promise<void>;
  /** What a driver made for its work and should be gone, as names. */
  traces: (place: Place) => Promise<string[]>;
}

/** What every driver must do, judged by the words of other programs. */
export function volumeSuite(name: string, make: () => Promise<Subject>): void {
  describe(`volumes: ${name}`, () => {
    let subject: Subject;

    beforeAll(async () => {
      subject = await make();
    });

    /** Data that takes a while to read and does not compress. */
    async function bulk(place: Place): Promise<void> {
      for (let at = 0; at < 8; at += 1)
        await writeFile(join(place.path, `bulk-${at}`), randomBytes(1_500_000));
    }

    it.each(['zstd', 'gzip'] as const)('brings back exactly what was there, by %s', async (compression) => {
      const place = await subject.place();
      expect(await subject.driver.unfit(place)).toBeUndefined();
      await fill(place.path);
      if (subject.fine) await adorn(place.path);
      const before = await everything(place.path, subject);
      const file = join(await scratch(), 'archive');
      await archiveTo(file, subject.driver, place, compression);
      expect(await everything(place.path, subject)).toEqual(before);

      await rm(join(place.path, 'plain'));
      await rm(join(place.path, 'wide'), { recursive: true });
      await writeFile(join(place.path, 'newer'), 'newer');
      await writeFile(join(place.path, 'closed', '.hidden'), 'newer');
      await appendFile(join(place.path, 'other-name-1'), 'newer');
      await tool(place.path, 'chown', '0:0', '.');
      await tool(place.path, 'chmod', '0700', '.');
      expect(await everything(place.path, subject)).not.toEqual(before);

      await subject.restore(place, reading(file), compression, never);
      expect(await everything(place.path, subject)).toEqual(before);
      await expect.poll(() => subject.traces(place)).toEqual([]);
    });

    it('tells what is in an archive, and what is not', async () => {
      const place = await subject.place();
      await fill(place.path);
      if (subject.fine) await openSocket(join(place.path, 'socket'));
      await tool(place.path, 'mknod', 'null', 'c', '1', '3');
      const file = join(await scratch(), 'archive');
      const contents = await archiveTo(file, subject.driver, place, 'zstd');

      const kinds = ['(', '-type', 'f', '-o', '-type', 'd', '-o', '-type', 'l', ')'];
      const found = await tool(place.path, 'find', '.', '-mindepth', '1', ...kinds, '-printf', 'x');
      expect(contents.entries).toBe(found.length);
      const sizes = await tool(place.path, 'find', '.', '-type', 'f', '-printf', String.raw`%i %s\n`);
      const unique = new Map(
        sizes
          .trim()
          .split('\n')
          .map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]),
      );
      expect(contents.bytes).toBe([...unique.values()].reduce((sum, size) => sum + size, 0));
      expect(contents.skipped.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
        { path: 'null', reason: 'a device' },
        { path: 'pipe', reason: 'a pipe' },
        ...(subject.fine ? [{ path: 'socket', reason: 'a socket' }] : []),
      ]);

      let entries = 0;
      for await (const entry of inspectTar(decompressed(reading(file), 'zstd', never))) {
        expect(entry.name.toString('latin1')).toMatch(/^\.\//);
        entries += 1;
      }
      expect(entries).toBe(contents.entries + 1);
      const { skipped: _, listing: __, ...counted } = contents;
      expect(await countEntries(reading(file), 'zstd', never)).toEqual(counted);
    });

    it('brings back an empty directory, with owner and mode', async () => {
      const place = await subject.place();
      await tool(place.path, 'chown', '12:34', '.');
      await tool(place.path, 'chmod', '1731', '.');
      await tool(place.path, 'touch', '-d', '2001-02-03 04:05:06Z', '.');
      const before = await everything(place.path, subject);
      const file = join(await scratch(), 'archive');
      expect(await archiveTo(file, subject.driver, place, 'zstd')).toMatchObject({
        entries: 0,
        bytes: 0,
        skipped: [],
      });
      await fill(place.path);
      await subject.restore(place, reading(file), 'zstd', never);
      expect(await everything(place.path, subject)).toEqual(before);
    });

    it('tells how far it is', async () => {
      const place = await subject.place();
      await bulk(place);
      const told: number[] = [];
      const options = {
        compression: 'zstd',
        signal: never,
        progress: (bytes: number) => told.push(bytes),
      } as const;
      const { stream, contents } = await subject.driver.archive(place, options);
      await finished(stream.resume());
      expect(told.length).toBeGreaterThan(2);
      expect(told).toEqual(told.toSorted((a, b) => a - b));
      expect(told.at(-1)).toBeGreaterThanOrEqual((await contents).bytes);
    });

    it("ends with the signal's own reason when aborted, and leaves nothing", async () => {
      const place = await subject.place();
      await bulk(place);
      const reason = new Error('enough');
      const controller = new AbortController();
      const options = { compression: 'gzip', signal: controller.signal } as const;
      const { stream, contents } = await subject.driver.archive(place, options);
      stream.once('data', () => controller.abort(reason));
      await expect(finished(stream.resume())).rejects.toBe(reason);
      await expect(contents).rejects.toBe(reason);
      await expect.poll(() => subject.traces(place)).toEqual([]);
      const before = AbortSignal.abort(reason);
      const late = subject.driver.archive(place, { compression: 'gzip', signal: before });
      await expect(late.then((archive) => finished(archive.stream.resume()))).rejects.toBe(reason);
      await expect.poll(() => subject.traces(place)).toEqual([]);
    });

    it('leaves nothing when nobody reads on', async () => {
      const place = await subject.place();
      await bulk(place);
      const { stream } = await subject.driver.archive(place, { compression: 'zstd', signal: never });
      stream.once('data', () => stream.destroy());
      await expect(finished(stream)).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
      await expect.poll(() => subject.traces(place)).toEqual([]);
    });

    it('calls an archive damaged that is cut off or changed', async () => {
      const place = await subject.place();
      await bulk(place);
      const directory = await scratch();
      const whole = join(directory, 'whole');
      await archiveTo(whole, subject.driver, place, 'zstd');
      const bytes = await readFile(whole);
      const cases = {
        cut: bytes.subarray(0, bytes.length / 2),
        flipped: bytes.map((byte, at) => (at === 5_000_000 ? byte ^ 1 : byte)),
        none: Buffer.from('not an archive'),
        empty: Buffer.alloc(0),
      };
      for (const [what, broken] of Object.entries(cases)) {
        const file = join(directory, what);
        await writeFile(file, broken);
        const restored = subject.restore(place, reading(file), 'zstd', never);
        await expect(restored, what).rejects.toMatchObject({ code: 'damaged' });
        expect(await subject.traces(place), what).toEqual([]);
      }
      await subject.restore(place, reading(whole), 'zstd', never);
      expect((await stat(join(place.path, 'bulk-7'))).size).toBe(1_500_000);
    });

    it('fails with what the archive it was given failed with, and leaves nothing', async () => {
      const place = await subject.place();
      const file = join(await scratch(), 'archive');
      await bulk(place);
      await archiveTo(file, subject.driver, place, 'zstd');
      const reason = new Error('the disk broke');
      const bytes = await readFile(file);
      const broken = Readable.from(
        (async function* half() {
          yield bytes.subarray(0, 5_000_000);
          await Promise.reject(reason);
        })(),
      );
      await expect(subject.restore(place, broken, 'zstd', never)).rejects.toBe(reason);
      const missing = subject.restore(place, createReadStream(`${file}-missing`), 'zstd', never);
      await expect(missing).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') });
      const controller = new AbortController();
      const slow = Readable.from(
        (async function* slowly() {
          yield bytes.subarray(0, 5_000_000);
          controller.abort(reason);
          await new Promise(() => undefined);
        })(),
      );
      await expect(subject.restore(place, slow, 'zstd', controller.signal)).rejects.toBe(reason);
      await expect.poll(() => subject.traces(place)).toEqual([]);
    });

    it('serves no volume that is kept elsewhere', async () => {
      const at = { kind: 'volume', name: 'far', path: '/nowhere' } as const;
      const unfit = (driver: string, options: Record<string, string>) =>
        subject.driver.unfit({ ...at, driver, options });
      expect(await unfit('rclone', {})).toBe('volume "far" is kept by the driver "rclone"');
      expect(await unfit('local', { type: 'nfs', o: 'addr=10.0.0.1', device: ':/x' })).toBe(
        'volume "far" has driver options (nfs)',
      );
      expect(await unfit('local', { type: 'none', o: 'rw,bind', device: '/srv' })).toBe(
        'volume "far" has driver options (a bind mount)',
      );
      expect(await unfit('local', { size: '1g' })).toBe('volume "far" has driver options (size)');
    });
  });
}
