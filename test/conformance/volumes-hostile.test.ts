import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ApiDriver } from '../../src/volumes/api.js';
import { connectTestEngine } from '../support/engine.js';
import { HOSTILE, outcome, situation, UNSAFE } from '../support/hostile-archives.js';
import { everything, never } from '../support/volumes.js';

/** Hostile archives and the driver that hands them to the engine. */

let api: ApiDriver;

beforeAll(async () => {
  const engine = await connectTestEngine();
  api = new ApiDriver(engine, [(await engine.image('busybox:latest'))?.id ?? ''], 'test');
});

it.each(Object.keys(HOSTILE))('do not leave the directory that the engine fills: %s', async (name) => {
  const { outside, place, archive } = await situation(name);
  const before = await everything(outside, { fine: true });
  const code = await outcome(api.refill(place, archive(), 'gzip', never));
  expect(await everything(outside, { fine: true })).toEqual(before);
  expect(await readdir(dirname(place.path))).toEqual(['data']);
  if (UNSAFE.includes(name)) expect(code).toBe('unsafe');
  else expect(['done', 'unsafe', 'failed']).toContain(code);
});
