import { setTimeout as sleep } from 'node:timers/promises';
import { fail, type Verdict } from '../model/verdict.js';
import type { HandlerContext } from './handler.js';

/** One look at a service: an answer, or "not yet". */
export type Attempt = Verdict | { status: 'waiting'; reason: string };

export const waiting = (reason: string): Attempt => ({ status: 'waiting', reason });

/** How long "not yet" is put up with. All times in milliseconds. */
export interface Patience {
  /** In all. */
  total: number;
  /** Tries after the first; where given, they are counted instead of the time. */
  retries?: number | undefined;
  /** Pause between two tries. */
  interval: number;
  /** One try. */
  timeout: number;
}

const SHORTEST_TRY = 1000;

/** How long this service may take to become well: `health_timeout`, or 30 s. */
export function patienceOf(context: HandlerContext): Patience {
  return { total: context.config.health_timeout ?? 30_000, interval: 250, timeout: 5000 };
}

/**
 * Looks again and again until there is an answer; when patience ends, `giveUp` makes one of the last reason. A reason is reported when
 * it is new, not at each try. `attempt` gets the milliseconds it may take. Throws what the signal was aborted with.
 */
export async function waitFor(
  context: Pick<HandlerContext, 'signal' | 'report'>,
  patience: Patience,
  attempt: (timeout: number) => Promise<Attempt>,
  giveUp: (reason: string) => Verdict = fail,
): Promise<Verdict> {
  const started = performance.now();
  let reported = '';
  for (let tries = 1; ; tries++) {
    context.signal.throwIfAborted();
    const left = Math.ceil(patience.total - (performance.now() - started));
    const timeout = patience.retries === undefined ? Math.max(left, SHORTEST_TRY) : patience.timeout;
    const outcome = await attempt(Math.min(timeout, patience.timeout));
    context.signal.throwIfAborted();
    if (outcome.status !== 'waiting') return outcome;

    const elapsed = performance.now() - started;
    const exhausted =
      patience.retries === undefined
        ? elapsed + patience.interval > patience.total
        : tries > patience.retries;
    if (exhausted)
      return giveUp(tries === 1 ? outcome.reason : `${outcome.reason} for ${inSeconds(elapsed)}`);

    if (outcome.reason !== reported) context.report(`waiting: ${outcome.reason}`);
    reported = outcome.reason;
    await pause(patience.interval, context.signal);
  }
}

/** Throws what the signal was aborted with. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** `30 s`, `1.5 s`. */
export function inSeconds(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  return `${seconds >= 10 ? Math.round(seconds) : Math.round(seconds * 10) / 10} s`;
}
