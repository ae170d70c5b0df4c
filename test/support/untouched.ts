import { expect } from 'vitest';
import { snapshot, type Snapshot, type Stack } from './e2e.js';

/** What refusals promise: containers, images, tags, files and everything stored are as they were. Compared, not believed. */

/** Nothing at all is another than before, to the last byte of the index. */
export async function leavesAllAsItWas<T>(stack: Stack, act: () => Promise<T>): Promise<T> {
  const before = await snapshot(stack);
  const result = await act();
  expect(await snapshot(stack)).toEqual(before);
  return result;
}

/** The same, but that it was tried may be found in the audit trail, and in the index, which mirrors it. */
export async function leavesOnlyATrace<T>(stack: Stack, act: () => Promise<T>): Promise<T> {
  const before = withoutTrail(await snapshot(stack));
  const result = await act();
  expect(withoutTrail(await snapshot(stack))).toEqual(before);
  return result;
}

function withoutTrail({ backups, ...rest }: Snapshot): Snapshot {
  const isTrail = (path: string) => /\/(?:audit\.jsonl|index\.db)$/.test(path);
  return {
    ...rest,
    backups: Object.fromEntries(Object.entries(backups).filter(([path]) => !isTrail(path))),
  };
}
