import { inconclusive, pass, worst } from '../model/verdict.js';
import type { Handler, HandlerContext } from './handler.js';
import { httpHealth } from './http-health.js';
import { checkHealth } from './verify.js';

/** Milliseconds a dependency gets to answer before anything stops: it runs, or it does not. */
const DEPENDENCY_PATIENCE = 2000;

/** `handlerOf` finds the handler of a dependency. */
export function apiHandler(handlerOf: (context: HandlerContext) => Promise<Handler>): Handler {
  return {
    kind: 'api',
    matches: () => false,

    async prepare(context) {
      const names = context.config.needs ?? (await redisDependencies(context, handlerOf));
      if (names.length === 0) return pass('has no dependencies to check');
      const verdicts = await Promise.all(
        names.map(async (name) => {
          const dependency = impatient(context.sibling(name));
          const found = await checkHealth(await handlerOf(dependency), dependency);
          // A broken present is what people roll back from: it is told, and never blocks.
          return found.status === 'pass'
            ? pass(`${name}: ${found.reason}`)
            : inconclusive(`its dependency ${name} is not well: ${found.reason}`);
        }),
      );
      return worst(verdicts);
    },

    verify: (context) => httpHealth(context, { path: '/health' }),
  };
}

async function redisDependencies(
  context: HandlerContext,
  handlerOf: (context: HandlerContext) => Promise<Handler>,
): Promise<string[]> {
  const names = Object.keys(context.model?.depends_on ?? {});
  const handlers = await Promise.all(names.map(async (name) => handlerOf(context.sibling(name))));
  return names.filter((_, index) => handlers[index]?.kind === 'redis');
}

function impatient(context: HandlerContext): HandlerContext {
  return {
    service: context.service,
    engine: context.engine,
    local: context.local,
    model: context.model,
    config: { ...context.config, health_timeout: DEPENDENCY_PATIENCE },
    signal: context.signal,
    containers: () => context.containers(),
    sibling: (service) => context.sibling(service),
    report: (message) => context.report(message),
  };
}
