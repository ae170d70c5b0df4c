import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/migrate/diagnose/finding.js';
import { recover, type Remedy, type Treatment } from '../../src/migrate/recover/recovery.js';
import { RollbackError } from '../../src/model/errors.js';

/** What all scenarios have in common, with a trouble of our own. */

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migrate-recover-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const down: Finding = {
  scenario: 'failed-startup',
  service: 'web',
  cause: 'down',
  evidence: 'it',
  fix: 'up',
};
const other: Finding = { ...down, scenario: 'volume-issues', cause: 'elsewhere' };

/** Each look finds the next of these; the last one again and again. */
function treatment(looks: Finding[][], remedy: Partial<Remedy> = {}): Treatment {
  const left = [...looks];
  const plan = async () => ({ steps: [], obstacles: [], ...remedy });
  const look = async () => ({
    findings: (left.length > 1 ? left.shift() : left[0]) ?? [],
    warnings: [],
    plan,
  });
  return { scenario: 'failed-startup', directory, look };
}

const log = () => readFile(join(directory, 'migration-recovery.log'), 'utf8');

function steps(...names: string[]) {
  const done: string[] = [];
  const act = (what: string) => async () => {
    if (what === 'break') throw new RollbackError('failed', 'out of luck', { details: ['its words'] });
    done.push(what);
  };
  return { done, steps: names.map((what) => ({ what, act: act(what) })) };
}

describe('recover', () => {
  it('acts, and is done when nothing of its kind is left', async () => {
    const { done, steps: all } = steps('stop', 'start');
    const recovery = await recover(treatment([[down, other], [other]], { steps: all }), {});
    expect(recovery).toMatchObject({ result: 'healthy', findings: [down], left: [], others: [other] });
    expect(done).toEqual(['stop', 'start']);
    expect(await log()).toMatch(/found: web: down.*\n.*stop\n.*start\n.*healthy/);
  });

  it('goes no further than a step that fails, and tells why', async () => {
    const { done, steps: all } = steps('stop', 'break', 'start');
    const recovery = await recover(treatment([[down], []], { steps: all }), {});
    expect(recovery).toMatchObject({ result: 'not-healthy', problem: 'break: out of luck | its words' });
    expect(done).toEqual(['stop']);
    expect(await log()).toContain('failed: break: out of luck');
  });

  it('is not done when it is found again', async () => {
    const recovery = await recover(treatment([[down]], steps('start')), {});
    expect(recovery).toMatchObject({ result: 'not-healthy', problem: null, left: [down] });
  });

  it('begins nothing with an obstacle in the way', async () => {
    const { done, steps: all } = steps('stop');
    const recovery = await recover(treatment([[down]], { steps: all, obstacles: [other] }), {});
    expect([recovery.result, done]).toEqual(['blocked', []]);
    expect(await log()).toContain('in the way: web: elsewhere');
  });

  it('tells, and logs, that there was nothing to mend', async () => {
    const { done, steps: all } = steps('stop');
    const recovery = await recover(treatment([[]], { steps: all }), {});
    expect([recovery.result, recovery.steps, done]).toEqual(['nothing-to-do', [], []]);
    expect(await log()).toMatch(/: nothing to mend\n$/);
  });

  it('does and logs nothing in a dry run, nor when it is declined', async () => {
    const { done, steps: all } = steps('stop');
    const ill = treatment([[down]], { steps: all });
    expect(await recover(ill, { dryRun: true })).toMatchObject({ result: 'planned', steps: ['stop'] });
    const declined = recover(ill, { confirm: async () => false });
    await expect(declined).rejects.toMatchObject({ code: 'declined' });
    expect(done).toEqual([]);
    await expect(log()).rejects.toThrow(/ENOENT/);
  });

  it('does nothing when something else is wrong by the time of the answer', async () => {
    const { done, steps: all } = steps('stop');
    const changed = treatment([[down], [{ ...down, service: 'api' }]], { steps: all });
    const stale = recover(changed, { confirm: async () => true });
    await expect(stale).rejects.toMatchObject({ code: 'stale' });
    const steady = treatment([[down], [{ ...down, evidence: 'restarted again' }], []], { steps: all });
    expect(await recover(steady, { confirm: async () => true })).toMatchObject({ result: 'healthy' });
    expect(done).toEqual(['stop']);
  });
});
