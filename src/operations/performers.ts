import { join } from 'node:path';
import { failsAsRecorded } from '../handlers/evidence.js';
import { runHook } from '../handlers/hooks.js';
import { verifyService } from '../handlers/verify.js';
import type { Hook } from '../model/config.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { ProjectFacts } from '../model/facts.js';
import { RUN_VARIABLE } from '../model/names.js';
import type { OperationOf } from '../model/plan.js';
import type { Point, PointContainers } from '../model/point.js';
import type { InterpolationVariable, Project } from '../model/project.js';
import type { ComposeModel } from '../model/compose.js';
import { fail, inconclusive, type Verdict } from '../model/verdict.js';
import type { Handler, HandlerContext } from '../handlers/handler.js';
import { checkout } from '../project/git.js';
import { removeEntry, restoreDirectory, restoreFile, restoreSymlink } from '../project/write.js';
import { dataPerformers } from './data-performers.js';
import { networkPerformers } from './network-performers.js';
import { DONE, type Outcome, type Performers } from './executor.js';
import { bringUp } from './up.js';
import { handlerContext, handlerOf, serviceConfig, type Workspace } from '../session/workspace.js';

/** A directory that took the place of a volume's data. */
export interface SwappedData {
  /** Absolute, on this machine. */
  path: string;
  device: number;
  inode: number;
}

/** Where the operations lead: the point, opened, and the project as it is once its files are back. */
export interface Destination {
  point: Point;
  model: ComposeModel | undefined;
  variables: InterpolationVariable[];
  facts: ProjectFacts | undefined;
  project: Project;
  /** The model that runs now, for what happens before anything stops. */
  present: ComposeModel | undefined;
  run: string;
  /** Id of the point that keeps what this run replaces. */
  safety: string;
  /** Is told which directories took the place of others, for the proof at the end. */
  swapped?: Map<string, SwappedData>;
  /** On the way back a hook that fails is told, and does not stop the rest: the services count. */
  returning: boolean;
}

/** How each operation is done in this workspace. */
export function performers(caller: Workspace, destination: Destination): Performers {
  const workspace = { ...caller, env: { ...caller.env, [RUN_VARIABLE]: destination.run } };
  const { engine, store, emit } = workspace;
  const { point, project } = destination;
  /** Recorded image ids to those that the same images have here. */
  const loaded = new Map<string, string>();

  const handlerFor = (service: string) =>
    handlerOf(
      workspace,
      service,
      point.images[service]?.ref ?? destination.model?.services[service]?.image ?? '',
    );
  const before = (service: string) => handlerContext(workspace, service, destination.present);
  const after = (service: string) => handlerContext(workspace, service, destination.model);
  const stopAll = (containers: string[]) => Promise.all(containers.map((id) => engine.stop(id)));
  const startAll = (containers: string[]) => Promise.all(containers.map((id) => engine.start(id)));

  const reload = async ({ service, paths }: OperationOf<'reload'>): Promise<Outcome> => {
    const context = after(service);
    const containers = await context.containers();
    const sources = point.entries.flatMap((entry) =>
      entry.type === 'file' && paths.includes(entry.path)
        ? [{ host: join(project.directory, entry.path), sha256: entry.sha256 }]
        : [],
    );
    const files = containers.flatMap(({ mounts }) =>
      sources.flatMap(({ host, sha256 }) =>
        mounts.flatMap((mount) => {
          if (mount.type !== 'bind') return [];
          if (mount.source === host) return [{ target: mount.target, sha256 }];
          if (!host.startsWith(`${mount.source}/`)) return [];
          return [{ target: mount.target + host.slice(mount.source.length), sha256 }];
        }),
      ),
    );
    const verdict = await handlerFor(service).reload?.(context, files);
    if (verdict?.status === 'pass') return { note: verdict.reason, warning: null };
    const ids = containers.map((container) => container.id);
    await stopAll(ids);
    await startAll(ids);
    return { note: `restarted instead: ${verdict?.reason ?? 'it cannot reload'}`, warning: null };
  };

  return {
    prepare: async ({ service }) => judge(service, await handlerFor(service).prepare?.(before(service))),
    hook: async ({ service, phase, index }) => {
      const config = serviceConfig(workspace, service);
      const hook = (phase === 'before' ? config.before_rollback : config.after_rollback)[index];
      if (!hook) throw new RollbackError('stale', `hook ${index + 1} of ${service} is no longer configured`);
      const context = phase === 'before' ? before(service) : after(service);
      const asked: Hook = destination.returning ? { ...hook, on_failure: 'continue' } : hook;
      return judge(service, await runHook(asked, context, project.directory));
    },
    checkout: async ({ commit, branch, submodules }) => {
      const { stash } = await checkout(project.directory, {
        commit,
        branch,
        submodules,
        run: destination.run,
      });
      return {
        note: stash ? `changes are stashed: git stash apply ${stash.slice(0, 12)}` : null,
        warning: null,
      };
    },
    stop: async ({ containers }) => {
      await stopAll(containers);
      return DONE;
    },
    remove: async ({ containers }) => {
      await stopAll(containers);
      await Promise.all(containers.map((id) => engine.remove(id)));
      return DONE;
    },
    'restore-file': async (operation) => {
      const { mode, owner, in_place: inPlace } = operation;
      const stored = () => store.openFile(point, operation);
      await restoreFile(...placeOf(project, operation), stored, { mode, owner, inPlace });
      return DONE;
    },
    'restore-link': async (operation) => {
      await restoreSymlink(...placeOf(project, operation), operation.target, operation.owner);
      return DONE;
    },
    'restore-directory': async (operation) => {
      await restoreDirectory(...placeOf(project, operation), operation.mode, operation.owner);
      return DONE;
    },
    'remove-file': async (operation) => {
      await removeEntry(...placeOf(project, operation));
      return DONE;
    },
    ...dataPerformers(workspace, destination, loaded),
    ...networkPerformers(workspace),
    retag: async ({ image, ref }) => {
      await engine.tag(loaded.get(image) ?? image, ref);
      return DONE;
    },
    up: async (operation) => {
      const { model, variables, facts } = destination;
      await bringUp(workspace, { model, variables, project, recorded: { point, facts } }, operation);
      return DONE;
    },
    start: async ({ containers }) => {
      await startAll(containers);
      return DONE;
    },
    reload,
    settle: async ({ service }) => judge(service, await handlerFor(service).settle?.(after(service))),
    verify: async ({ service }) => {
      const context = after(service);
      const verdict = await (destination.returning ? verifyBriefly : verifyService)(
        handlerFor(service),
        context,
      );
      const judged = verdict.status === 'fail' ? await weighFailure(point, context, verdict) : verdict;
      emit({ type: 'verdict', service, verdict: judged });
      return { ...judge(service, judged), note: null };
    },
  };
}

/** Milliseconds that the way back waits for a service: people wait for it to end. */
const PATIENCE = 10_000;

/** As `verifyService`; what takes longer is judged by whether it is up. */
async function verifyBriefly(handler: Handler, context: HandlerContext): Promise<Verdict> {
  const deadline = AbortSignal.timeout(PATIENCE);
  try {
    return await verifyService(handler, { ...context, signal: deadline });
  } catch (error) {
    if (!deadline.aborted) throw error;
    const up = (await context.containers()).every(({ state }) => state === 'running');
    return up ? inconclusive(`not known to be healthy after ${PATIENCE / 1000} s`) : fail('is not running');
  }
}

/** A service that was failing in the same way in the target state is no evidence against the run: its failure is a warning. */
async function weighFailure(point: Point, context: HandlerContext, verdict: Verdict): Promise<Verdict> {
  const recorded = point.containers[context.service];
  const containers = await context.containers();
  if (failsAsRecorded(recorded?.evidence, verdict, containers)) {
    return inconclusive(`${verdict.reason}; it failed in the same way when the point was made`);
  }
  const isPresumed = point.kind === 'safety' && recorded !== undefined && mayHaveFailed(recorded, containers);
  return isPresumed ? inconclusive(`${verdict.reason}; it may have been so before`) : verdict;
}

/** A safety point has no answers of probes: where nobody knew, a service counts as having been no better, as long as it runs. */
function mayHaveFailed({ health }: PointContainers, containers: Container[]): boolean {
  if (health !== 'unknown') return health === 'unhealthy';
  return containers.every(({ state, restartCount }) => state === 'running' && restartCount === 0);
}

/** The directory that an operation's file is restored in, and its path below that. */
export function placeOf(
  { directory }: Project,
  { path, outside }: { path: string; outside: boolean },
): [directory: string, path: string] {
  return outside ? ['/', path.slice(1)] : [directory, path];
}

/** Fail ends the run, inconclusive is a warning, pass a note. No verdict: there was nothing to do. */
function judge(service: string, verdict: Verdict | undefined): Outcome {
  if (!verdict) return DONE;
  if (verdict.status === 'fail') throw new RollbackError('failed', `${service}: ${verdict.reason}`);
  if (verdict.status === 'inconclusive') return { note: null, warning: `${service}: ${verdict.reason}` };
  return { note: verdict.reason, warning: null };
}
