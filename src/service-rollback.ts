import type { Verdict } from './model/verdict.js';
import { inconclusive, pass } from './model/verdict.js';
import { RollbackManager } from './manager.js';
import type { RollbackOptions } from './runs/options.js';
import type { ManagerOptions } from './session/options.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import { Access } from './runs/access.js';
import { RUN_KINDS } from './kinds.js';
import type { Handler, HandlerContext } from './handlers/handler.js';

/** One service's handler, step by step: for deploy scripts that decide themselves what comes between. */
export interface ServiceRollback {
  /** What the service needs before it stops, e.g. Redis' SAVE. */
  preRollback(): Promise<Verdict>;
  /** Takes the service to its image in the newest point, or to another tag of it; safety point and verification included. */
  rollback(tag?: string, options?: RollbackOptions): Promise<RollbackOutcome>;
  /** What it needs after it started, before it is asked for health. */
  postRollback(): Promise<Verdict>;
  verifyHealth(): Promise<Verdict>;
}

/** The four steps of the service called `name` of the project in `options.projectRoot`. Nothing is opened before a step is taken. */
export function getServiceRollback(name: string, options: ManagerOptions = {}): ServiceRollback {
  return {
    preRollback: () => step(name, options, async (handler, context) => handler.prepare?.(context)),
    rollback: (tag, rollbackOptions) =>
      new RollbackManager(options).rollbackService(name, tag, rollbackOptions),
    postRollback: () => step(name, options, async (handler, context) => handler.settle?.(context)),
    verifyHealth: async () => {
      const { verifyService } = await import('./handlers/verify.js');
      return step(name, options, verifyService);
    },
  };
}

async function step(
  name: string,
  options: ManagerOptions,
  act: (handler: Handler, context: HandlerContext) => Promise<Verdict | undefined>,
): Promise<Verdict> {
  const { handlerContext, observePresent, withLabels } = await import('./session/workspace.js');
  return new Access(options, RUN_KINDS).look(async (workspace) => {
    const { model, services } = await observePresent(workspace);
    if (!services[name]) return inconclusive(`the project has no service ${name}`);
    const context = handlerContext(await withLabels(workspace, model), name, model);
    const handler = await workspace.handlers.handlerOf(context);
    return (await act(handler, context)) ?? pass(`${handler.kind} needs nothing here`);
  });
}
