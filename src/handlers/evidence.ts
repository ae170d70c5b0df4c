import type { Probe } from '../model/config.js';
import type { Container } from '../model/engine.js';
import type { Evidence } from '../model/point.js';
import { redact } from '../model/secrets.js';
import type { Verdict } from '../model/verdict.js';
import { describeExit } from './containers.js';
import type { Handler, HandlerContext } from './handler.js';
import { checkHealth } from './verify.js';

/** What is known of a service's health at the moment a point is made, and whether a later failure is the same one. */

/** A container that was restarted within this time counts as crashing: a restart back-off takes 60 s at most (measured, Docker 28.5). */
const RECENT_RESTART_MS = 60_000;

/** What the containers themselves tell, without any request. `now` is RFC 3339. Null when they tell nothing. */
export function engineEvidence(containers: Container[], now: string): Evidence | null {
  const crash = containers.map((container) => crashOf(container, now)).find((reason) => reason !== undefined);
  if (crash !== undefined) return { status: 'fail', by: 'state', reason: crash };
  const health = containers.filter(({ state }) => state === 'running').map((container) => container.health);
  if (health.includes('unhealthy')) {
    return { status: 'fail', by: 'healthcheck', reason: 'its health check says unhealthy' };
  }
  const isHealthy = health.length > 0 && health.every((one) => one === 'healthy');
  return isHealthy ? { status: 'pass', by: 'healthcheck', reason: 'its health check says healthy' } : null;
}

/** How a container crashes; undefined when it does not. One that a person stopped exits with a code of its own and was not restarted. */
function crashOf(container: Container, now: string): string | undefined {
  const { state, restart, restartCount, exitCode, startedAt } = container;
  // While it is restarting, the engine reports exit code 0 (measured, Docker 28.5).
  if (state === 'restarting') return 'it keeps restarting';
  if (restartCount === 0) return undefined;
  if (state === 'exited' || state === 'dead') {
    return restart !== 'no' && exitCode !== 0
      ? `it was restarted, and ${describeExit(container)}`
      : undefined;
  }
  const isRecent = Date.parse(now) - Date.parse(startedAt) < RECENT_RESTART_MS;
  return state === 'running' && isRecent ? 'it keeps restarting' : undefined;
}

/**
 * What the service's check answers when it is asked once. Null when it does not answer before the deadline, or cannot be asked: this never
 * throws.
 * @param containers as they were observed; they are not inspected again
 */
export async function probeEvidence(
  handler: Handler,
  context: HandlerContext,
  containers: Container[],
  deadlineMs: number,
): Promise<Evidence | null> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const brief: HandlerContext = {
    ...context,
    containers: () => Promise.resolve(containers),
    config: { ...context.config, health_timeout: 0, probes: context.config.probes.map(askOnce) },
    signal: AbortSignal.any([context.signal, deadline]),
    report: () => undefined,
  };
  const expired = new Promise<null>((resolve) => deadline.addEventListener('abort', () => resolve(null)));
  const answer = checkHealth(handler, brief).then(
    ({ status, reason }): Evidence => ({ status, by: 'probe', reason: symptomOf(reason, containers) }),
    () => null,
  );
  return await Promise.race([answer, expired]);
}

const askOnce = (probe: Probe): Probe => ({ ...probe, retries: 0 });

/** Whether a service that fails now failed in the same way when the point was made: then its failure says nothing about the rollback. */
export function failsAsRecorded(
  recorded: Evidence | null | undefined,
  { reason }: Verdict,
  containers: Container[],
): boolean {
  if (recorded?.status !== 'fail') return false;
  const isCrashing = containers.some(({ state, restartCount }) => state !== 'running' || restartCount > 0);
  if (recorded.by === 'state' || isCrashing) return recorded.by === 'state' && isCrashing;
  if (recorded.by === 'healthcheck') return containers.some(({ health }) => health === 'unhealthy');
  return symptomOf(reason, containers) === recorded.reason;
}

/** A reason without durations, restarts, logs and the output of programs. */
function symptomOf(reason: string, containers: Container[]): string {
  const [symptom = ''] = reason.replace(/(exited with code \d+): .*/s, '$1').split(/ for [\d.]+ s(?:;|$)|; /);
  return containers.reduce((text, { env }) => redact(text, env), symptom);
}
