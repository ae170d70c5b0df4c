import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { HostDriver } from '../../src/volumes/host.js';
import { HOSTILE, outcome, situation, UNSAFE } from '../support/hostile-archives.js';
import { skipWithout } from '../support/needs.js';
import { everything, never, RUN } from '../support/volumes.js';

/** Hostile archives and the driver that unpacks them here. */

skipWithout('find', 'getfattr', 'gzip', 'root', 'setfacl', 'tar');

const host = new HostDriver();

/** What tar itself gets right, so that what is staged is harmless. */
const HARMLESS = ['a file over a link to a file'];
/** Whether tar complains depends on whether the new directory gets the inode of what it replaces. */
const EITHER = ['a directory through a link'];
it.each(Object.keys(HOSTILE))('do not leave the directory that the host stages: %s', async (name) => {
  const { outside, place, archive } = await situation(name);
  const before = await everything(outside, { fine: true });
  const code = await outcome(host.stage(place, RUN, archive(), 'gzip', never));
  expect(await everything(outside, { fine: true })).toEqual(before);
  expect(await readdir(outside)).toEqual(['victim']);
  if (!EITHER.includes(name)) expect(code === 'done').toBe(HARMLESS.includes(name));
  if (code !== 'done') expect(await readdir(dirname(place.path))).toEqual(['data']);
  if (UNSAFE.includes(name)) expect(code).toBe('unsafe');
  else expect(['done', 'unsafe', 'failed']).toContain(code);
});
