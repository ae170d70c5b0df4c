import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fingerprintGrowing } from '../../src/store/files.js';

/** A file that something else writes, hashed and sent to the disk as it grows. */

const PIECE = Buffer.alloc(8 * 1024 * 1024, 'a piece of it');
const PIECES = 10;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'growing-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

async function write(path: string): Promise<void> {
  await using file = await open(path, 'a');
  for (let piece = 0; piece < PIECES; piece += 1) await file.write(PIECE);
}

test('is that of the whole file', async () => {
  const path = join(directory, 'file');
  await using source = await open(path, 'w+');
  const hash = createHash('sha256');
  for (let piece = 0; piece < PIECES; piece += 1) hash.update(PIECE);
  expect(await fingerprintGrowing(source, write(path))).toEqual({
    size: PIECES * PIECE.length,
    sha256: `sha256:${hash.digest('hex')}`,
  });
});

test('a disk that lost bytes on the way is told, though it says so once only', async () => {
  const path = join(directory, 'file');
  await using source = await open(path, 'w+');
  const lost = new Error('EIO: i/o error, fdatasync');
  const datasync = vi.spyOn(source, 'datasync').mockRejectedValueOnce(lost);
  await expect(fingerprintGrowing(source, write(path))).rejects.toBe(lost);
  expect(datasync).toHaveBeenCalledOnce();
});

test('what its writer failed with is what it fails with', async () => {
  await using source = await open(join(directory, 'file'), 'w+');
  const broken = new Error('tar was killed');
  await expect(fingerprintGrowing(source, Promise.reject(broken))).rejects.toBe(broken);
});
