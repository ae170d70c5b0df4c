import { messageOf, RollbackError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import type { Point } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { describe } from '../plan/render.js';
import { plan } from '../plan/plan.js';
import type { Target } from '../plan/target.js';
import { openTarget } from '../points/find.js';
import { projectOf } from '../points/facts.js';
import { fingerprint } from '../project/observe.js';
import { execute, performing } from '../run/executor.js';
import { removeHalfMade } from '../run/half-made.js';
import { performers } from '../run/performers.js';
import { observePresent, type Workspace } from '../run/workspace.js';
import { findOut } from './findings.js';
import { traitsOf, type Options } from './prepare.js';
import { forJournal, type RunLog } from './run-log.js';
import { discardStaged } from './volumes.js';

interface Failure {
  error: unknown;
  explanation: string;
  log: RunLog;
  safety: Point;
  /** Id of what the run wanted to reach. */
  target: string;
  options: Options;
  /** What else belongs to the way back, before everything else and after it. */
  first?: () => Promise<void>;
  finish?: () => Promise<void>;
  /** When it fails the run stays unfinished, so that the same can be tried again. */
  keepOpen?: boolean;
  /** What to do when it fails. */
  hint?: string;
}

/**
 * The way back after a failure: a plan from whatever the present is by now to the safety point. That needs no list of what was
 * done: it works from any half-way state. Afterwards it is looked at again, and only an empty plan counts as back.
 * Returns the error that tells how it ended: `returned`, `interrupted` (returned too) or `not-returned`.
 */
export async function goBack(workspace: Workspace, failure: Failure): Promise<RollbackError> {
  const { error, explanation, log, safety } = failure;
  // An interrupted run is returned too: the way back has a signal of its own.
  const calm: Workspace = { ...workspace, signal: new AbortController().signal };
  workspace.emit({
    type: 'phase',
    phase: 'return',
    message: `${explanation}. Bringing the earlier state back`,
  });
  try {
    await failure.first?.();
    const target = await openTarget(workspace.store, safety.id);
    await workspace.store.dropUnrecorded(target.point);
    await removeHalfMade(calm);
    const way = await planBack(calm, target, failure.options);
    await log.journal.append({
      type: 'return',
      at: new Date().toISOString(),
      reason: explanation,
      plan: await forJournal(workspace.store, way.plan),
    });
    if (way.plan.blockers.length > 0)
      return await lost(
        failure,
        way.plan.blockers.map(({ message }) => message),
      );
    await execute({
      operations: way.plan.operations,
      phase: 'return',
      perform: performing(
        performers(calm, {
          ...target,
          project: projectOf(target.point, workspace.project.directory),
          present: way.observation.model,
          run: log.run,
          safety: safety.id,
          returning: true,
        }),
      ),
      journal: log.journal,
      emit: workspace.emit,
      signal: calm.signal,
    });
    const made = way.plan.operations.flatMap((operation) =>
      operation.kind === 'up' ? operation.services : [],
    );
    // What was done to data proved itself; a second look could only tell that it is not as it was recorded.
    const { plan: left } = await planBack(calm, target, { ...failure.options, volumes: false }, made);
    const remaining = stillToDo(left, safety);
    if (remaining.length > 0) return await lost(failure, remaining);
    await discardStaged(calm, target.point);
    await failure.finish?.();
  } catch (second) {
    return lost(failure, [messageOf(second), ...(second instanceof RollbackError ? second.details : [])]);
  }
  await log.end('returned', explanation, []);
  await workspace.store.sealOrWarn(safety.id);
  const interrupted = error instanceof RollbackError && error.code === 'interrupted';
  return new RollbackError(
    interrupted ? 'interrupted' : 'returned',
    `${interrupted ? 'interrupted' : explanation}; the earlier state is back`,
    {
      cause: error,
      subjects: subjects(failure),
      ...(error instanceof RollbackError ? { details: error.details } : {}),
    },
  );
}

async function planBack(
  workspace: Workspace,
  target: Target,
  options: Options,
  made: string[] = [],
): Promise<{ plan: Plan; observation: Observation }> {
  const [present, findings] = await Promise.all([
    observePresent(workspace, target.point),
    findOut(workspace, target, options),
  ]);
  const observation = trusting(present, made);
  const way = plan(observation, target, traitsOf(workspace, target, observation), findings, {
    ...options,
    kind: 'return',
    fingerprint: fingerprint(observation),
    now: new Date().toISOString(),
  });
  return { plan: way, observation };
}

/**
 * What the provider has just made from the files of the safety point is as they say, whatever hash it wrote down: it may leave
 * dependencies out of it.
 */
function trusting(observation: Observation, made: string[]): Observation {
  const services = Object.entries(observation.services).map(([name, service]) => {
    if (!made.includes(name)) return [name, service] as const;
    const containers = service.containers.map((container) => ({ ...container, configHash: undefined }));
    return [name, { ...service, containers }] as const;
  });
  return { ...observation, services: Object.fromEntries(services) };
}

/** What still differs. A service that already failed before we came may go on failing: that is the earlier state. */
function stillToDo({ operations }: Plan, { containers }: Point): string[] {
  const unwell = (service: string) => containers[service]?.health === 'unhealthy';
  return operations
    .filter((operation) => !['hook', 'settle', 'verify', 'prepare'].includes(operation.kind))
    .filter(
      (operation) =>
        !['start', 'stop'].includes(operation.kind) ||
        !('services' in operation) ||
        !operation.services.every(unwell),
    )
    .map(describe);
}

const subjects = ({ target, log }: Failure) => [target, log.run];

async function lost(failure: Failure, details: string[]): Promise<RollbackError> {
  const { error, explanation, log, safety } = failure;
  if (failure.keepOpen) await log.journal.close();
  else await log.end('not-returned', `${explanation}; the way back failed: ${details.join('; ')}`, []);
  return new RollbackError('not-returned', `${explanation}; the earlier state is not back`, {
    details,
    subjects: subjects(failure),
    hint:
      failure.hint ??
      `everything of it is kept in ${safety.id}: mend what is named above, then compose-rollback undo ${log.run}`,
    cause: error,
  });
}
