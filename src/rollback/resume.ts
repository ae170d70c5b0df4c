import { messageOf, RollbackError } from '../model/errors.js';
import type { JournalRecord, RollbackKind, RunSummary } from '../model/run.js';
import { isMove } from '../model/names.js';
import { planSchema } from '../model/plan.js';
import type { Target } from '../plan/target.js';
import { killedWords } from '../plan/text.js';
import { openTarget } from '../points/find.js';
import { discardUnfinished } from '../project/write.js';
import { endChildren } from '../run/children.js';
import { mendExchanges } from '../run/data.js';
import { placeOf } from '../run/performers.js';
import type { Workspace } from '../run/workspace.js';
import { readJournal } from '../store/journal.js';
import { goBack } from './return.js';
import { prepare, type Options } from './prepare.js';
import { carryOut, PlanBlocked, type RollbackOutcome } from './rollback.js';
import { RunLog } from './run-log.js';
import { serviceAt } from './service.js';

/** The run of this project that was begun and not ended: its process was killed, because the caller holds the lock. */
export async function findUnfinished({ store, project }: Workspace): Promise<RunSummary | undefined> {
  return (await store.readIndex())?.unfinishedRuns(project.name)[0];
}

/** Throws `blocked` when a killed run has to be finished or taken back first. */
export async function assertFinished(workspace: Workspace): Promise<void> {
  const unfinished = await findUnfinished(workspace);
  if (!unfinished) return;
  throw new RollbackError('blocked', `${killedWords(unfinished)}; nothing was touched`, {
    hint: 'compose-rollback resume finishes it, compose-rollback abort brings the earlier state back',
    subjects: [unfinished.id],
  });
}

/**
 * Finishes a killed run: plans again from what it left, and goes on. One that was on its way back already goes on with that. Throws as `rollback`;
 * `blocked` with nothing more done, so that it can still be aborted.
 */
export async function resumeRun(workspace: Workspace, unfinished: RunSummary): Promise<RollbackOutcome> {
  const killed = await openKilled(workspace, unfinished);
  const { records, safety, request } = killed;
  const options = optionsOf(killed);
  const fallen = records.find((record) => record.type === 'return');
  if (fallen) {
    const log = await RunLog.resume(workspace, unfinished.id, null);
    const failure = { error: undefined, explanation: fallen.reason, log, safety: safety.point };
    throw await goBack(workspace, { ...failure, target: unfinished.target, options });
  }
  const target = request.image
    ? serviceAt(safety, request.services?.[0] ?? '', request.image)
    : await openTarget(workspace.store, unfinished.target);
  const prepared = await prepare(workspace, target, options, {
    run: unfinished.id,
    restored: restoredVolumes(records),
  });
  if (prepared.plan.blockers.length > 0) throw new PlanBlocked(prepared.plan);
  const log = await RunLog.resume(workspace, unfinished.id, prepared.plan);
  return carryOut(prepared, { log, safety: safety.point, options, returnOnFailure: true });
}

/** Brings the state before a killed run back. Throws `not-returned` when that fails. */
export async function abortRun(workspace: Workspace, unfinished: RunSummary): Promise<void> {
  const killed = await openKilled(workspace, unfinished);
  const end = await goBack(workspace, {
    error: undefined,
    explanation: 'aborted',
    log: await RunLog.resume(workspace, unfinished.id, null),
    safety: killed.safety.point,
    target: unfinished.target,
    options: optionsOf(killed),
  });
  if (end.code !== 'returned') throw end;
}

interface Killed {
  records: JournalRecord[];
  request: Extract<JournalRecord, { type: 'begin' }>['request'];
  kind: RollbackKind;
  safety: Target;
}

async function openKilled(workspace: Workspace, { id, safety, kind }: RunSummary): Promise<Killed> {
  if (isMove(kind)) throw new TypeError('a move is carried on by its own room');
  const { store, project, emit } = workspace;
  await endChildren(id);
  const records = await readJournal(store.dir.journalFile(id));
  const [begin] = records;
  if (begin?.type !== 'begin') throw new Error(`run ${id} has no beginning`);
  for (const operation of records.flatMap((record) => ('plan' in record ? operationsOf(record.plan) : []))) {
    if (operation.kind !== 'restore-file' && operation.kind !== 'restore-link') continue;
    await discardUnfinished(...placeOf(project, operation)).catch((error: unknown) =>
      emit({ type: 'warning', message: messageOf(error) }),
    );
  }
  const target = await openTarget(store, safety);
  await store.dropUnrecorded(target.point); // it was being added to
  await mendExchanges(workspace, target.point, id);
  return { records, request: begin.request, kind, safety: target };
}

function optionsOf({ kind, request }: Killed): Options {
  const { services, config_only, volumes, outside, git } = request;
  return { kind, services: services ?? undefined, configOnly: config_only, volumes, outside, git };
}

/** Volumes whose data the run had exchanged when it was killed. */
function restoredVolumes(records: JournalRecord[]): Set<string> {
  const restored = new Set<string>();
  let operations: ReturnType<typeof operationsOf> = [];
  for (const record of records) {
    if (record.type === 'begin' || record.type === 'resume') operations = operationsOf(record.plan);
    if (record.type !== 'done' || record.phase !== 'forward') continue;
    const operation = operations[record.step];
    if (operation?.kind === 'restore-volume') restored.add(operation.volume);
  }
  return restored;
}

function operationsOf(plan: unknown) {
  const { success, data } = planSchema.safeParse(plan);
  return success ? data.operations : [];
}
