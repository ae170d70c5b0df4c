import type { Container } from '../model/engine.js';
import { fail, inconclusive, pass, worst, type Verdict } from '../model/verdict.js';
import { everyContainer, lastLines, runningContainers } from './containers.js';
import { execIn } from './exec.js';
import type { Handler, HandlerContext } from './handler.js';
import { portOf } from './ports.js';
import { patienceOf, waitFor, waiting, type Attempt } from './waiting.js';

const PORT = 5432;
const REPOSITORIES = new Set([
  'postgres',
  'postgresql',
  'postgis',
  'pgvector',
  'timescaledb',
  'timescaledb-ha',
]);
/** Milliseconds that a dump waits for a table that somebody has locked. */
const LOCK_LIMIT = '--lock-wait-timeout=60000';
/** Milliseconds: a checkpoint writes every dirty page. */
const CHECKPOINT_LIMIT = 300_000;

// Exit codes of the client programs, as their manual pages have them.
const PSQL_NO_CONNECTION = 2;
const ISREADY_REJECTING = 1;
const ISREADY_SILENT = 2;

/** SQLSTATE of insufficient_privilege, which psql shows when asked to be verbose. */
const NOT_ALLOWED = /\b42501\b/;
const STARTING = /the database system is (?:starting up|in recovery mode|not yet accepting connections)/;

export const postgres: Handler = {
  kind: 'postgres',
  checksInside: true,
  matches: (repository) => REPOSITORIES.has(repository.split('/').at(-1) ?? ''),

  async prepare(context) {
    const containers = await runningContainers(context);
    if (containers.length === 0) return inconclusive(`${context.service} is not running: no checkpoint`);
    const patience = { ...patienceOf(context), timeout: CHECKPOINT_LIMIT };
    const verdicts: Verdict[] = [];
    for (const container of containers) {
      // A present that does not come up never blocks.
      verdicts.push(
        await waitFor(context, patience, async () => checkpoint(context, container), inconclusive),
      );
    }
    return worst(verdicts);
  },

  /** All databases and roles, as SQL for psql. */
  async dump(context) {
    const [container] = await runningContainers(context);
    if (!container) return undefined;
    const { user, database, password } = accountOf(container);
    const port = portOf(context, container, PORT) ?? PORT;
    const names = [`--port=${port}`, `--username=${user}`, `--database=${database}`];
    return await context.engine.execStream(
      container.id,
      ['pg_dumpall', '--no-password', LOCK_LIMIT, ...names],
      {
        env: { LC_ALL: 'C', ...(password && { PGPASSWORD: password }) },
        signal: context.signal,
      },
    );
  },

  verify: (context) =>
    waitFor(context, patienceOf(context), async (timeout) =>
      everyContainer(context, async (container) => isReady(context, container, timeout)),
    ),
};

/** CHECKPOINT over the server's own socket, as its administrator. */
async function checkpoint(context: HandlerContext, container: Container): Promise<Attempt> {
  const { user, database, password } = accountOf(container);
  const port = portOf(context, container, PORT) ?? PORT;
  const outcome = await execIn(
    context,
    container,
    [
      'psql',
      '--no-psqlrc',
      '--no-password',
      '--quiet',
      '--set=ON_ERROR_STOP=1',
      '--set=VERBOSITY=verbose',
      `--port=${port}`,
      `--username=${user}`,
      `--dbname=${database}`,
      '--command=CHECKPOINT',
    ],
    { timeout: CHECKPOINT_LIMIT, env: { LC_ALL: 'C', ...(password && { PGPASSWORD: password }) } },
  );
  if (outcome.kind === 'missing') return inconclusive('no checkpoint: there is no psql in the container');
  if (outcome.kind === 'broken') return inconclusive(`no checkpoint: ${outcome.reason}`);
  if (outcome.exitCode === 0) return pass('checkpoint done');

  const words = lastLines(outcome.stderr);
  if (STARTING.test(words)) return waiting('no checkpoint: the database system is starting up');
  if (outcome.exitCode === PSQL_NO_CONNECTION) return inconclusive(`no checkpoint: ${words}`);
  if (NOT_ALLOWED.test(words)) {
    return inconclusive(`no checkpoint: ${user} may not do it; grant it pg_checkpoint (${words})`);
  }
  return fail(`CHECKPOINT failed: ${words}`);
}

/** Over TCP: while a new cluster is being filled, the server answers on its socket only, and will restart. */
async function isReady(context: HandlerContext, container: Container, timeout: number): Promise<Attempt> {
  const port = portOf(context, container, PORT) ?? PORT;
  const argv = ['pg_isready', '--host=127.0.0.1', `--port=${port}`];
  const outcome = await execIn(context, container, argv, { timeout });
  if (outcome.kind === 'missing') {
    return inconclusive('there is no pg_isready in the container: configure a probe');
  }
  if (outcome.kind === 'broken') return waiting(`pg_isready: ${outcome.reason}`);
  if (outcome.exitCode === 0) return pass('pg_isready: accepting connections');
  if (outcome.exitCode === ISREADY_REJECTING) return waiting('pg_isready: rejecting connections');
  if (outcome.exitCode === ISREADY_SILENT) return waiting('pg_isready: no response');
  return inconclusive(`pg_isready could not ask: ${lastLines(outcome.stderr)}`);
}

/** From the environment of the official image, or Bitnami's. */
function accountOf({ env }: Container): { user: string; database: string; password: string | undefined } {
  const user = env['POSTGRES_USER'] ?? env['POSTGRESQL_USERNAME'] ?? 'postgres';
  const database = env['POSTGRES_DB'] ?? env['POSTGRESQL_DATABASE'] ?? user;
  return { user, database, password: env['POSTGRES_PASSWORD'] ?? env['POSTGRESQL_PASSWORD'] };
}
