import type { Container } from '../model/engine.js';
import { fail, inconclusive, pass, worst, type Verdict } from '../model/verdict.js';
import { everyContainer, lastLines, lastWords, runningContainers } from './containers.js';
import { execIn } from './exec.js';
import type { Handler, HandlerContext } from './handler.js';
import { endpoints, portOf } from './ports.js';
import { speakResp } from './resp.js';
import { patienceOf, waitFor, waiting, type Attempt } from './waiting.js';

const PORT = 6379;
const REPOSITORIES = new Set(['redis', 'valkey', 'redis-stack', 'redis-stack-server']);
/** Milliseconds: SAVE writes the whole data set before it answers. */
const SAVE_LIMIT = 300_000;

export const redis: Handler = {
  kind: 'redis',
  checksInside: true,
  matches: (repository) => REPOSITORIES.has(repository.split('/').at(-1) ?? ''),

  async prepare(context) {
    const containers = await runningContainers(context);
    if (containers.length === 0) return inconclusive(`${context.service} is not running: nothing to save`);
    const verdicts: Verdict[] = [];
    for (const container of containers) verdicts.push(await save(context, container));
    return worst(verdicts);
  },

  verify: (context) =>
    waitFor(context, patienceOf(context), async (timeout) =>
      everyContainer(context, async (container) => {
        const reply = await ask(context, container, 'PING', timeout);
        return reply.kind === 'silent' ? waiting(reply.reason) : judge('PING', 'PONG', reply);
      }),
    ),
};

/** Only a server that answers can refuse: one that is down or does not finish loading must not block the way back. */
async function save(context: HandlerContext, container: Container): Promise<Verdict> {
  const answers = await waitFor(context, patienceOf(context), async (timeout) => {
    const reply = await ask(context, container, 'PING', timeout);
    return reply.kind === 'silent' ? inconclusive(reply.reason) : judge('PING', 'PONG', reply);
  });
  if (answers.status !== 'pass') return inconclusive(`nothing was saved: ${answers.reason}`);

  const patience = { ...patienceOf(context), timeout: SAVE_LIMIT };
  const trySave = async () => {
    const reply = await ask(context, container, 'SAVE', SAVE_LIMIT);
    return reply.kind === 'silent'
      ? inconclusive(`not known to be saved: ${reply.reason}`)
      : judge('SAVE', 'OK', reply);
  };
  const saved = await waitFor(context, patience, trySave, inconclusive);
  return saved.status === 'fail' ? fail(`${saved.reason}${await lastWords(context, container)}`) : saved;
}

/** What a command came to: the server's words, silence, or no way to ask. */
type Reply =
  | { kind: 'words'; words: string }
  | { kind: 'silent'; reason: string }
  | { kind: 'unreachable'; reason: string };

function judge(command: string, expected: string, reply: Exclude<Reply, { kind: 'silent' }>): Attempt {
  if (reply.kind === 'unreachable') return inconclusive(reply.reason);
  const { words } = reply;
  if (words === expected) return pass(`${command} answered ${words}`);
  const answer = `${command} answered "${words}"`;
  if (/^LOADING|^ERR Background save already in progress/.test(words)) return waiting(answer);
  if (/^NOAUTH|^WRONGPASS/.test(words)) {
    return inconclusive(`${answer}: set REDISCLI_AUTH in the service's environment, or configure a probe`);
  }
  if (/^NOPERM|^ERR unknown command/.test(words))
    return inconclusive(`${answer}: allow it, or configure a hook`);
  return fail(answer);
}

/** Through redis-cli inside the container; where there is none, over the network. */
async function ask(
  context: HandlerContext,
  container: Container,
  command: 'PING' | 'SAVE',
  timeout: number,
): Promise<Reply> {
  const port = portOf(context, container, PORT) ?? PORT;
  const password = passwordOf(container);
  const argv = ['redis-cli', '-h', '127.0.0.1', '-p', String(port), command];
  const env = password === undefined ? {} : { REDISCLI_AUTH: password };
  const outcome = await execIn(context, container, argv, { timeout, env });
  if (outcome.kind === 'missing')
    return await askOverNetwork(context, container, port, command, password, timeout);
  if (outcome.kind === 'broken') return { kind: 'silent', reason: `${command}: ${outcome.reason}` };
  const words = lastLines(outcome.stdout);
  if (words !== '') return { kind: 'words', words };
  return { kind: 'silent', reason: `${command}: ${lastLines(outcome.stderr) || 'no answer'}` };
}

async function askOverNetwork(
  context: HandlerContext,
  container: Container,
  port: number,
  command: string,
  password: string | undefined,
  timeout: number,
): Promise<Reply> {
  let reason = 'there is no redis-cli in the container, and its port cannot be reached from this machine';
  const places = await endpoints(context, container, port);
  for (const place of places) {
    const commands = password === undefined ? [[command]] : [['AUTH', password], [command]];
    const reply = await speakResp(place, commands, timeout, context.signal);
    if ('words' in reply) return { kind: 'words', words: reply.words };
    reason = `${command}: ${reply.problem}`;
  }
  return { kind: places.length === 0 ? 'unreachable' : 'silent', reason };
}

/** From the server's own arguments, also within a shell's, or from the environment variables that images and people use. */
export function passwordOf({ command, env }: Pick<Container, 'command' | 'env'>): string | undefined {
  const option = command.indexOf('--requirepass');
  const inShell = /--requirepass\s+(?:"([^"]+)"|'([^']+)'|(\S+))/.exec(command.at(-1) ?? '');
  const given = option === -1 ? inShell?.slice(1).find((group) => group !== undefined) : command[option + 1];
  const [, variable] = /^\$\{?(\w+)\}?$/.exec(given ?? '') ?? [];
  const literal = variable === undefined ? given : env[variable];
  return literal ?? env['REDISCLI_AUTH'] ?? env['REDIS_PASSWORD'] ?? env['VALKEY_PASSWORD'];
}
