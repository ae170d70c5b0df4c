import { expect } from 'vitest';
import type { Recovery } from '../../src/index.js';
import { documentOf } from './cli.js';
import { cli, containersOf, snapshot, type ContainerFacts, type Stack } from './e2e.js';

/** What tests of `migrate recover` have in common. */

/** Beside the compose file: what was found and done. */
export const LOG = 'migration-recovery.log';

/** What `migrate recover SCENARIO` tells programs. */
export async function recovered(
  stack: Stack,
  scenario: string,
  ...argv: string[]
): Promise<Recovery & { exitCode: number | undefined }> {
  const { exitCode, stdout } = await cli(stack, 'migrate', 'recover', scenario, ...argv, '--json');
  documentOf('migrate-recover', stdout);
  return { ...JSON.parse(stdout), exitCode };
}

/** All but the log is as it was. */
export async function leavesAllButTheLog<T>(stack: Stack, act: () => Promise<T>): Promise<T> {
  const before = await snapshot(stack);
  const result = await act();
  const after = await snapshot(stack);
  for (const { files } of [before, after]) delete files[LOG];
  expect([after.containers, after.files, after.tags]).toEqual([before.containers, before.files, before.tags]);
  return result;
}

/** The first container of a service, by name. */
export async function containerOf(
  stack: Stack,
  service: string,
): Promise<{ container: string } & ContainerFacts> {
  const found = Object.entries(await containersOf(stack)).find(([, facts]) => facts.service === service);
  if (!found) throw new Error(`${service} has no container`);
  return { container: found[0], ...found[1] };
}
