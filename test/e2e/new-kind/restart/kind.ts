import * as z from 'zod';
import { RollbackError } from '../../../../src/model/errors.js';
import type { Operation, Plan } from '../../../../src/model/plan.js';
import { operationSchema, remarkSchema } from '../../../../src/model/plan.js';
import { beginSchema, type RunOutcome, type RunSummary } from '../../../../src/model/run.js';
import { scopeOf } from '../../../../src/model/scope.js';
import { performing } from '../../../../src/operations/executor.js';
import { performers } from '../../../../src/operations/performers.js';
import { describe } from '../../../../src/plan/render.js';
import { isUp } from '../../../../src/plan/services.js';
import { openTarget } from '../../../../src/points/find.js';
import { recordPoint } from '../../../../src/points/record.js';
import { fingerprint } from '../../../../src/project/observe.js';
import { reasonOfReturn, readRunJournal } from '../../../../src/runs/journal.js';
import type { RunKind } from '../../../../src/runs/kinds.js';
import { RunLog } from '../../../../src/runs/log.js';
import { carryOut, startRun, type BegunRun, type Prepared } from '../../../../src/runs/perform.js';
import { returnToSafetyPoint } from '../../../../src/runs/return.js';
import { isUnfinished } from '../../../../src/runs/unfinished.js';
import { planWayBack } from '../../../../src/runs/way-back.js';
import { observePresent, type Workspace } from '../../../../src/session/workspace.js';

/** The smallest kind of run that there can be: it stops a service and starts the same containers again. */

const planSchema = z.object({
  kind: z.literal('restart'),
  project: z.string(),
  operations: z.array(operationSchema),
  risks: z.array(remarkSchema),
  blockers: z.array(remarkSchema),
});
type RestartPlan = z.infer<typeof planSchema>;
type RestartOutcome = RunOutcome<RestartPlan>;

const schemas = {
  begin: beginSchema.extend({ kind: z.literal('restart'), plan: planSchema }),
  plan: planSchema,
  way: z.object({ operations: z.array(operationSchema) }),
};

interface PreparedRestart extends Prepared<RestartPlan> {
  begin(run: string): Promise<BegunRun<RestartPlan>>;
}

async function prepare(workspace: Workspace, service: string): Promise<PreparedRestart> {
  const observation = await observePresent(workspace);
  const containers = (observation.services[service]?.containers ?? []).filter(isUp).map(({ id }) => id);
  const base = { services: [service], containers };
  const operations: Operation[] = [
    { kind: 'stop', ...base, cause: 'it is restarted' },
    { kind: 'start', ...base, cause: 'it is restarted' },
  ];
  const blockers =
    containers.length > 0 ? [] : [{ code: 'not-running', message: `${service} does not run`, hint: null }];
  const plan: RestartPlan = {
    kind: 'restart',
    project: workspace.project.name,
    operations,
    risks: [],
    blockers,
  };
  return {
    plan,
    fingerprint: fingerprint(observation),
    async begin(run) {
      const details = { name: null, pinned: false, description: 'Before a restart' };
      const safety = await recordPoint(workspace, observation, { ...details, kind: 'safety', run });
      const log = await RunLog.begin(
        workspace,
        { run, kind: 'restart', target: safety.id, safety: safety.id, undoes: null },
        { plan },
      );
      return begun(workspace, log, safety.id, plan);
    },
  };
}

async function begun(
  workspace: Workspace,
  log: RunLog,
  safety: string,
  plan: RestartPlan,
): Promise<BegunRun<RestartPlan>> {
  const target = await openTarget(workspace.store, safety);
  const { project } = workspace;
  const place = { project, present: target.model, run: log.run, safety, returning: false };
  return {
    workspace,
    log,
    plan,
    safety: target.point,
    target: safety,
    title: 'Restarting',
    destination: 'restarted',
    returnOnFailure: true,
    abortable: false,
    returnHint: `compose-rollback rollback ${safety}`,
    perform: performing(performers(workspace, { ...target, ...place })),
    planReturn: () => planWayBack(workspace, { run: log.run, safety, scope: scopeOf({}) }),
  };
}

/** Without carrying it out: as a process leaves it that dies before its first operation. */
export async function beginRestart(workspace: Workspace, service: string, run: string) {
  return await (await prepare(workspace, service)).begin(run);
}

export async function restart(workspace: Workspace, service: string): Promise<RestartOutcome> {
  const started = await startRun<RestartPlan, PreparedRestart>(
    {
      prepare: () => prepare(workspace, service),
      refresh: () => prepare(workspace, service),
      blocked: () => new RollbackError('blocked', 'it is blocked'),
      begin: (prepared, run) => prepared.begin(run),
    },
    { dryRun: false },
  );
  const { plan, result } = started;
  const outcome = { kind: 'restart', plan, result, run: null, warnings: [], proof: null };
  return started.result === 'done'
    ? { ...outcome, run: started.run.log.run, warnings: started.warnings }
    : outcome;
}

async function open(workspace: Workspace, { id, safety }: RunSummary) {
  const journal = await readRunJournal(workspace.store, id, schemas);
  const log = await RunLog.resume(workspace, id, journal.begin.plan);
  return { journal, run: await begun(workspace, log, safety, journal.begin.plan) };
}

export const restartKind: RunKind<RestartOutcome> = {
  name: 'restart',
  undoPoint: 'safety',
  words: {
    renderPlan: ({ project, operations }) =>
      [`Restart in ${project}`, ...operations.map((one) => describe(one))].join('\n'),
    warning: () => undefined,
    result: ({ run }) => ({ title: 'Restarted', next: [`To take this back: compose-rollback undo ${run}`] }),
    document: ({ run }) => ({ type: 'result', run }),
  },
  load: () =>
    Promise.resolve({
      resume: (access, summary) =>
        access.change(
          'resume',
          () => [summary.id],
          async (workspace) => {
            if (!(await isUnfinished(workspace, summary.id))) return undefined;
            const { journal, run } = await open(workspace, summary);
            const reason = reasonOfReturn(journal.records);
            if (reason !== undefined)
              throw await returnToSafetyPoint(run, { error: undefined, explanation: reason });
            const { warnings } = await carryOut(run);
            return {
              kind: 'restart',
              plan: run.plan,
              result: 'done',
              run: summary.id,
              warnings,
              proof: null,
            };
          },
        ),
      abort: (access, summary) =>
        access.change(
          'abort',
          () => [summary.id],
          async (workspace) => {
            if (!(await isUnfinished(workspace, summary.id))) return undefined;
            const { run } = await open(workspace, summary);
            const end = await returnToSafetyPoint(run, { error: undefined, explanation: 'aborted' });
            if (end.code !== 'returned') throw end;
            return summary;
          },
        ),
      undo: (access, summary, { dryRun }) =>
        access.look(async (workspace) => {
          if (!dryRun) throw new Error('only planned here');
          const way = await planWayBack(workspace, {
            run: summary.id,
            safety: summary.safety,
            scope: scopeOf({}),
          });
          return {
            kind: 'restart',
            plan: asRestart(way.plan),
            result: 'planned',
            run: null,
            warnings: [],
            proof: null,
          };
        }),
    }),
};

const asRestart = ({ project, operations, risks, blockers }: Plan): RestartPlan => ({
  kind: 'restart',
  project,
  operations,
  risks,
  blockers,
});
