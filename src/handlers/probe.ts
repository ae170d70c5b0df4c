import type { Probe } from '../model/config.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { fail, inconclusive, pass, type Verdict, worst } from '../model/verdict.js';
import { everyContainer, lastLines } from './containers.js';
import { execIn } from './exec.js';
import type { HandlerContext } from './handler.js';
import { describeAnswer, httpGet, httpOfContainer, type HttpAnswer } from './http.js';
import { portOf } from './ports.js';
import { listens } from './tcp.js';
import { type Attempt, patienceOf, type Patience, waitFor, waiting } from './waiting.js';

type ExecProbe = Extract<Probe, { exec: string[] }>;
type HttpProbe = Extract<Probe, { http: string }>;
type TcpProbe = Extract<Probe, { tcp: number }>;

/**
 * The configured probes of a service, one after the other: the worst answers. A probe is tried until it passes, `retries` times
 * where given, else for the service's `health_timeout`. Throws `config-invalid` for a URL that is none.
 */
export async function runProbes(context: HandlerContext, probes: readonly Probe[]): Promise<Verdict> {
  const verdicts: Verdict[] = [];
  for (const probe of probes) {
    const verdict = await runProbe(context, probe);
    if (verdict.status === 'fail') return verdict;
    verdicts.push(verdict);
  }
  return worst(verdicts);
}

async function runProbe(context: HandlerContext, probe: Probe): Promise<Verdict> {
  const patience = patienceOfProbe(context, probe);
  const url = 'http' in probe && !probe.http.startsWith('/') ? parseUrl(probe.http) : undefined;
  return await waitFor(context, patience, async (timeout) => {
    // A whole URL is one place, however many containers are behind it.
    if ('http' in probe && url !== undefined) return await askUrl(context, probe, url, timeout);
    return await everyContainer(context, async (container) => {
      if ('exec' in probe) return await askExec(context, container, probe, timeout);
      if ('http' in probe) return await askPath(context, container, probe, timeout);
      return await askTcp(context, container, probe, timeout);
    });
  });
}

function patienceOfProbe(context: HandlerContext, probe: Probe): Patience {
  const usual = patienceOf(context);
  return {
    total: usual.total,
    retries: probe.retries,
    interval: probe.interval ?? usual.interval,
    timeout: probe.timeout ?? usual.timeout,
  };
}

async function askExec(
  context: HandlerContext,
  container: Container,
  probe: ExecProbe,
  timeout: number,
): Promise<Attempt> {
  // Only the program is named: arguments may hold secrets.
  const what = `probe ${quoted(probe.exec[0] ?? '')}`;
  const outcome = await execIn(context, container, probe.exec, { timeout });
  if (outcome.kind === 'missing') return fail(`${what}: there is no such program in the container`);
  if (outcome.kind === 'broken') return waiting(`${what}: ${outcome.reason}`);
  if (outcome.exitCode !== probe.expect.exit_code) {
    const output = lastLines(outcome.stderr) || lastLines(outcome.stdout);
    return waiting(`${what} exited with code ${outcome.exitCode}${output === '' ? '' : `: ${output}`}`);
  }
  const { text } = probe.expect;
  const found = text === undefined || outcome.stdout.includes(text) || outcome.stderr.includes(text);
  return found ? pass(`${what} passed`) : waiting(`${what} did not print ${quoted(text)}`);
}

async function askPath(
  context: HandlerContext,
  container: Container,
  probe: HttpProbe,
  timeout: number,
): Promise<Attempt> {
  const port = probe.port ?? portOf(context, container);
  if (port === undefined) {
    return inconclusive(`no port is known for ${context.service}: give the probe a "port"`);
  }
  return await httpOfContainer(context, container, port, probe.http, { timeout }, (answer) =>
    judge(probe, probe.http, answer),
  );
}

async function askUrl(
  context: HandlerContext,
  probe: HttpProbe,
  url: URL,
  timeout: number,
): Promise<Attempt> {
  // Neither user name, password nor query belong into a message.
  const place = `${url.origin}${url.pathname}`;
  const answer = await httpGet(url, { timeout, signal: context.signal });
  return 'problem' in answer ? waiting(`GET ${place}: ${answer.problem}`) : judge(probe, place, answer);
}

function judge(probe: HttpProbe, place: string, answer: HttpAnswer): Attempt {
  const { status, text } = probe.expect;
  const description = describeAnswer(place, answer);
  if (![status].flat().includes(answer.status)) return waiting(description);
  const found = text === undefined || answer.body.includes(text);
  return found ? pass(description) : waiting(`${description} without ${quoted(text)}`);
}

async function askTcp(
  context: HandlerContext,
  container: Container,
  probe: TcpProbe,
  timeout: number,
): Promise<Attempt> {
  return await listens(context, container, probe.tcp, timeout);
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new RollbackError('config-invalid', `${quoted(text)} is no address an http probe can ask`, {
    hint: 'give a path such as /health, or a whole URL that starts with http:// or https://',
  });
}
