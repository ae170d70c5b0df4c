import type { Verdict } from '../model/verdict.js';
import type { Handler, HandlerContext } from './handler.js';
import { runProbes } from './probe.js';
import { explained, staysUp } from './stability.js';

/** Whether a service is well: its configured probes or else its handler's own check, then, for every kind alike, whether it stays up. */
export async function verifyService(handler: Handler, context: HandlerContext): Promise<Verdict> {
  const found = await checkHealth(handler, context);
  return found.status === 'fail' ? await explained(context, found) : await staysUp(context, found);
}

/** The first half of `verifyService`: the service as it answers now. */
export async function checkHealth(handler: Handler, context: HandlerContext): Promise<Verdict> {
  const { probes } = context.config;
  return probes.length > 0 ? await runProbes(context, probes) : await handler.verify(context);
}
