import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { Container } from '../model/engine.js';
import { fail, inconclusive, pass, type Verdict } from '../model/verdict.js';
import { lastWords, runningContainers } from './containers.js';
import { execIn } from './exec.js';
import type { Handler, HandlerContext, MountedFile } from './handler.js';
import { readOfProcess } from './host.js';
import { httpHealth } from './http-health.js';
import { httpOfContainer } from './http.js';
import { portOf } from './ports.js';
import { patienceOf, waitFor, waiting } from './waiting.js';

const PORT = 9090;
const METRICS_LIMIT = 4 * 1024 * 1024;

export const prometheus: Handler = {
  kind: 'prometheus',
  matches: (repository) => repository.split('/').at(-1) === 'prometheus',
  reloads: true,

  async reload(context, files) {
    const containers = await runningContainers(context);
    if (containers.length === 0) return inconclusive(`${context.service} is not running`);
    for (const container of containers) {
      const verdict = await reloadContainer(context, container, files);
      if (verdict.status !== 'pass') return verdict;
    }
    return pass('reloaded its configuration');
  },

  verify: (context) => httpHealth(context, { path: '/-/healthy', port: PORT }),
};

/** What Prometheus tells about its configuration. */
interface ReloadMetrics {
  successful: boolean;
  /** Unix seconds of the last one that succeeded. */
  succeededAt: number;
}

async function reloadContainer(
  context: HandlerContext,
  container: Container,
  files: MountedFile[],
): Promise<Verdict> {
  for (const { target, sha256 } of files) {
    // A file mounted by itself is pinned by inode: after a rename on the host the container keeps the old one.
    const seen = await hashInside(context, container, target);
    if (seen === undefined) return inconclusive(`what the container sees of ${target} cannot be read`);
    if (seen !== sha256) return fail(`the container does not see the new ${target}`);
  }

  const before = await reloadMetrics(context, container);
  if ('reason' in before) return inconclusive(before.reason);
  await context.engine.signal(container.id, 'SIGHUP');
  const verdict = await waitFor(context, patienceOf(context), async () => {
    const now = await reloadMetrics(context, container);
    if ('reason' in now) return waiting(now.reason);
    if (now.successful && now.succeededAt > before.succeededAt) return pass('reloaded its configuration');
    // When the earlier reload had failed too, only time tells this one from that.
    return before.successful && !now.successful
      ? fail('refused its new configuration')
      : waiting('has not reloaded its configuration');
  });
  return verdict.status === 'fail'
    ? fail(`${verdict.reason}${await lastWords(context, container)}`)
    : verdict;
}

/** `sha256:<hex>` of a file as the container sees it; undefined when it is not there or there is no way to look. */
async function hashInside(
  context: HandlerContext,
  container: Container,
  target: string,
): Promise<string | undefined> {
  const outcome = await execIn(context, container, ['sha256sum', target]);
  if (outcome.kind === 'ended') {
    const [, hex] = /^\\?([0-9a-f]{64})\s/.exec(outcome.stdout) ?? [];
    return hex === undefined ? undefined : `sha256:${hex}`;
  }
  const bytes = await readOfProcess(context, container, posix.join('root', posix.join('/', target)));
  return bytes && `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function reloadMetrics(
  context: HandlerContext,
  container: Container,
): Promise<ReloadMetrics | { reason: string }> {
  let metrics: ReloadMetrics | undefined;
  const port = portOf(context, container, PORT) ?? PORT;
  const options = { timeout: patienceOf(context).timeout, limit: METRICS_LIMIT };
  const attempt = await httpOfContainer(context, container, port, '/metrics', options, ({ status, body }) => {
    metrics = parseReloadMetrics(body);
    return metrics ? pass('') : inconclusive(`GET /metrics answered ${status} without reload metrics`);
  });
  return metrics ?? { reason: attempt.reason };
}

/** Reads the two reload gauges from Prometheus' text format; undefined when one is missing. */
export function parseReloadMetrics(text: string): ReloadMetrics | undefined {
  const value = (name: string) => new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  const successful = value('prometheus_config_last_reload_successful');
  const succeededAt = value('prometheus_config_last_reload_success_timestamp_seconds');
  if (successful === undefined || succeededAt === undefined) return undefined;
  return { successful: successful === '1', succeededAt: Number(succeededAt) };
}
