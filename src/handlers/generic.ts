import type { ComposeHealthcheck } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { fail, inconclusive, pass, type Verdict } from '../model/verdict.js';
import { describeExit, everyContainer } from './containers.js';
import type { Handler, HandlerContext } from './handler.js';
import { exposedPorts, publishedPorts } from './ports.js';
import { listens } from './tcp.js';
import { patienceOf, waitFor, waiting, type Attempt } from './waiting.js';

/** Milliseconds a health check may take to come to an answer, whatever its own settings add up to. */
const LONGEST_HEALTHCHECK = 120_000;
/** Milliseconds a port that is merely exposed may stay silent: a worker often shares its image with a server. */
const EXPOSED_PATIENCE = 10_000;

/** For every service that no other handler knows: its own health check, else what its container listens on. */
export const generic: Handler = {
  kind: 'generic',
  matches: () => false,

  async verify(context) {
    const containers = await context.containers();
    if (containers.some(({ health }) => health !== 'none')) return await awaitHealthcheck(context);

    const { port } = context.config;
    const published =
      port === undefined ? known(containers, (each) => publishedPorts(context, each)) : [port];
    if (published.length > 0) return await awaitListener(context, published);
    return await lookForListener(
      context,
      known(containers, (each) => exposedPorts(context, each)),
    );
  },
};

function known(containers: Container[], portsOf: (container: Container) => number[]): number[] {
  return [...new Set(containers.flatMap(portsOf))];
}

async function awaitHealthcheck(context: HandlerContext): Promise<Verdict> {
  const total = context.config.health_timeout ?? healthcheckLimit(context.model?.healthcheck);
  const look = async () => everyContainer(context, async ({ id }) => HEALTH[await context.engine.health(id)]);
  return await waitFor(context, { ...patienceOf(context), total }, look, inconclusive);
}

const HEALTH: Record<Container['health'], Attempt> = {
  healthy: pass('its health check says healthy'),
  unhealthy: fail('its health check says unhealthy'),
  starting: waiting('its health check has not come to an answer'),
  none: inconclusive('it has no health check'),
};

/** Milliseconds after which the engine must have made up its mind, by compose's defaults where the model has none. */
export function healthcheckLimit(healthcheck: ComposeHealthcheck | undefined): number {
  if (healthcheck === undefined) return LONGEST_HEALTHCHECK;
  const once = parseDuration(healthcheck.interval ?? '30s') + parseDuration(healthcheck.timeout ?? '30s');
  const limit = parseDuration(healthcheck.start_period ?? '0s') + once * (healthcheck.retries ?? 3);
  return Math.min(limit, LONGEST_HEALTHCHECK);
}

/** Milliseconds of a duration as compose writes it: `1m30s`, `500ms`. */
export function parseDuration(text: string): number {
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * (MILLISECONDS[unit ?? ''] ?? 0);
  }
  return total;
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Published ports are promised to somebody: one of them must be listened on. */
async function awaitListener(context: HandlerContext, ports: number[]): Promise<Verdict> {
  return await waitFor(context, patienceOf(context), async (timeout) =>
    everyContainer(context, async (container) => listensOnAny(context, container, ports, timeout)),
  );
}

/** Exposed ports promise nothing: a listener is a good sign, silence is none. */
async function lookForListener(context: HandlerContext, ports: number[]): Promise<Verdict> {
  const patience = patienceOf(context);
  const total = Math.min(patience.total, EXPOSED_PATIENCE);
  const look = async (timeout: number) =>
    everyContainer(
      context,
      async (container) => {
        if (ports.length === 0) return inconclusive('no health check and no port is known for it');
        return await listensOnAny(context, container, ports, timeout);
      },
      asJob,
    );
  return await waitFor(context, { ...patience, total }, look, inconclusive);
}

function asJob(container: Container): Attempt {
  return container.exitCode === 0
    ? inconclusive('ended with exit code 0; it may have been a job')
    : fail(describeExit(container));
}

async function listensOnAny(
  context: HandlerContext,
  container: Container,
  ports: number[],
  timeout: number,
): Promise<Attempt> {
  const attempts: Attempt[] = [];
  for (const port of ports) {
    const attempt = await listens(context, container, port, timeout);
    if (attempt.status === 'pass') return attempt;
    attempts.push(attempt);
  }
  const untold = attempts.find((attempt) => attempt.status === 'inconclusive');
  return untold ?? waiting(`nothing listens on port ${ports.join(' or ')}`);
}
