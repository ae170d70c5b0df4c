import type { ServiceConfig } from '../model/config.js';
import type { Verdict } from '../model/verdict.js';
import { generic } from './generic.js';
import type { Handler, HandlerContext } from './handler.js';
import { runProbes } from './probe.js';
import { explained, staysUp } from './stability.js';

/** Whether a service is well: its own check (see `checkHealth`), then, for every kind alike, whether it stays up. */
export async function verifyService(handler: Handler, context: HandlerContext): Promise<Verdict> {
  const found = await checkHealth(handler, context);
  return found.status === 'fail' ? await explained(context, found) : await staysUp(context, found);
}

/**
 * The first half of `verifyService`: the service as it answers now. The configured probes or the configured handler decide, else the service's
 * own HEALTHCHECK, and only without one the handler that was chosen by the name of its image or of the service.
 */
export async function checkHealth(handler: Handler, context: HandlerContext): Promise<Verdict> {
  const { config } = context;
  if (config.probes.length > 0) return await runProbes(context, config.probes);
  const hasHealthcheck = (await context.containers()).some(({ health }) => health !== 'none');
  const judge = hasHealthcheck && !isCheckConfigured(config) ? generic : handler;
  return await judge.verify(context);
}

/** Whether the user said how this service is checked. */
export function isCheckConfigured({ probes, handler, health_path }: ServiceConfig): boolean {
  return probes.length > 0 || handler !== undefined || health_path !== undefined;
}
