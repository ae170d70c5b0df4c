import { messageOf, RollbackError } from '../model/errors.js';
import { ENGINE_NAMES } from '../model/names.js';
import type { Findings } from '../model/plan.js';
import type { RunSummary } from '../model/run.js';
import type { RunScope } from '../model/scope.js';
import { mendExchanges } from '../operations/data.js';
import { placeOf } from '../operations/performers.js';
import type { Target } from '../plan/target.js';
import { openTarget } from '../points/find.js';
import { discardUnfinished } from '../project/write.js';
import { allOperations, forwardOperations, reasonOfReturn } from '../runs/journal.js';
import { RunLog } from '../runs/log.js';
import { carryOut } from '../runs/perform.js';
import { prepare } from '../runs/prepare.js';
import { returnToSafetyPoint } from '../runs/return.js';
import { withNameOf, type Workspace } from '../session/workspace.js';
import { readRollbackJournal, scopeOfRequest, type RollbackJournal } from './journal.js';
import { createRollbackRun, PlanBlocked, createReturningRun, type RollbackOutcome } from './rollback.js';
import { serviceAt } from './service.js';

/** Resumes and aborts an unfinished rollback. The caller holds the lock, so the children and holds of its process are gone. */

/**
 * Finishes it: plans again from what it left, and goes on. A run that was on its way back goes on with that.
 * @throws RollbackError as `rollback`; `blocked` with nothing more done, so that it can still be aborted
 */
export async function resumeRollback(workspace: Workspace, run: RunSummary): Promise<RollbackOutcome> {
  const { journal, safety, scope } = await openUnfinished(workspace, run);
  const { kind, request } = journal.begin;
  const reason = reasonOfReturn(journal.records);
  if (reason !== undefined) throw await goBack(workspace, run, { safety, scope }, reason);
  const target = request.image
    ? serviceAt(safety, request.services?.[0] ?? '', request.image)
    : await openTarget(workspace.store, run.target);
  const restored = forwardOperations(journal, 'done').flatMap((operation) =>
    operation.kind === 'restore-volume' ? operation.volume : [],
  );
  const prepared = await prepare(
    withNameOf(workspace, safety.point),
    target,
    { kind, ...scope },
    { run: run.id, restored: new Set(restored), disconnected: findDisconnected(journal, safety) },
  );
  const { plan } = prepared;
  if (plan.blockers.length > 0) throw new PlanBlocked(plan);
  const log = await RunLog.resume(workspace, run.id, plan);
  const begun = createRollbackRun(prepared, { log, safety: safety.point, scope, returnOnFailure: true });
  const { warnings, proof } = await carryOut(begun);
  return { kind, plan, result: 'done', run: run.id, safety: safety.point.id, warnings, proof };
}

/** How containers of others were connected to the networks that its first process took them out of. */
function findDisconnected(journal: RollbackJournal, { facts }: Target): Findings['disconnected'] {
  const cut: Findings['disconnected'] = {};
  for (const operation of forwardOperations(journal, 'doing')) {
    if (operation.kind !== 'disconnect') continue;
    const others = facts?.networks[operation.network]?.others ?? {};
    const named = Object.entries(others).filter(([name]) => operation.containers.includes(name));
    cut[operation.network] = { ...cut[operation.network], ...Object.fromEntries(named) };
  }
  return cut;
}

/**
 * Restores the state before it.
 * @throws RollbackError `not-returned`
 */
export async function abortRollback(workspace: Workspace, run: RunSummary): Promise<void> {
  const unfinished = await openUnfinished(workspace, run);
  const end = await goBack(workspace, run, unfinished, 'aborted');
  if (end.code !== 'returned') throw end;
}

async function goBack(
  workspace: Workspace,
  { id, target }: RunSummary,
  { safety, scope }: { safety: Target; scope: RunScope },
  explanation: string,
) {
  const log = await RunLog.resume(workspace, id, null);
  const returning = createReturningRun(workspace, { log, safety: safety.point, scope, target });
  return await returnToSafetyPoint(returning, { error: undefined, explanation });
}

/** Reads its journal, and removes the half-written files and copies that it left. */
async function openUnfinished(workspace: Workspace, { id, safety: point }: RunSummary) {
  const { store, project, emit, identity } = workspace;
  const { engine } = (await store.readRecord(point)).metadata;
  if (engine.id !== identity.id) {
    throw new RollbackError(
      'usage',
      `${id} is a run on another engine: ${ENGINE_NAMES[engine.kind]} ${engine.id}`,
      {
        hint: `say so with --engine ${engine.kind}, or with --host`,
      },
    );
  }
  const journal = await readRollbackJournal(store, id);
  for (const operation of allOperations(journal)) {
    if (operation.kind !== 'restore-file' && operation.kind !== 'restore-link') continue;
    await discardUnfinished(...placeOf(project, operation)).catch((error: unknown) =>
      emit({ type: 'warning', message: messageOf(error) }),
    );
  }
  const safety = await openTarget(store, point);
  await store.dropUnrecorded(safety.point); // it was being added to
  await mendExchanges(workspace, safety.point, id);
  return { journal, safety, scope: scopeOfRequest(journal.begin.request) };
}
