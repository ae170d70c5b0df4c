import { setTimeout as delay } from 'node:timers/promises';
import { cliWith, containersOf, filesOf, type CliResult } from '../support/e2e.js';
import { differences, inspectProject, type Inspection } from './inspection.js';
import { BY_HAND, HAND_NETWORK, scalarDifference, valueAt, type Case, type Project } from './model.js';
import { closeStage, Impossible, openStage, runDocker, up, writeProject, type Stage } from './stage.js';
import type { Yaml } from './keys.js';

/** Plays one case on the engine: a point, a change, a rollback, and what an independent inspection says of the result. */

export type Verdict =
  /** Exit 0, and the recorded state runs again. */
  | 'equal'
  /** Exit 0, and what differs was named as not covered. */
  | 'named'
  /** Exit 3, and nothing was touched. */
  | 'blocked'
  /** Exit 0 with a difference: never allowed. */
  | 'wrong'
  /** Exit 23: a difference, and the program says so. */
  | 'reported'
  /** Another exit code, or blocked with something touched. */
  | 'failed'
  /** The change cannot be seen by the inspection, though it should be: a fault of these tests. */
  | 'unseen'
  /** The engine or compose refuses the project: a fault of these tests. */
  | 'impossible';

export interface Outcome {
  verdict: Verdict;
  /** Lines that say what differs, or what was printed. */
  why: string[];
}

interface State {
  inspection: Inspection;
  files: Record<string, string>;
}

export async function runCase(one: Case): Promise<Outcome> {
  const stage = await openStage(one.number, one.environment);
  try {
    return await play(one, stage);
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    return { verdict: 'impossible', why: [error.message] };
  } finally {
    await closeStage(stage);
  }
}

async function play(one: Case, stage: Stage): Promise<Outcome> {
  const { story, hand } = one;
  const { stack } = stage;
  const path = story.startsWith('in ') ? scalarDifference(one.before.file, one.after.file) : undefined;
  const [before, after] = [withVariable(one.before, path, story), withVariable(one.after, path, story)];

  await writeProject(stage, before.project);
  await runDocker(stage, before.project.outside);
  await up(stage, before.variable, '--build');
  if (hand !== undefined) await runDocker(stage, [HAND_NETWORK]);
  const byHand = hand === undefined ? [] : [BY_HAND[hand] ?? []];
  const isLate = story === 'by hand after the point';
  if (!isLate) await runDocker(stage, byHand);
  if (story === 'edited but not applied') await writeProject(stage, after.project);

  const recorded = await stateOf(stage, one);
  const created = await program(stage, before.variable, 'create', '--quiet');
  if (created.exitCode !== 0) return { verdict: 'failed', why: ['create:', ...lastLines(created)] };

  if (isLate) await runDocker(stage, byHand);
  else {
    const isForced = hand !== undefined || one.changes.some(({ facet }) => facet.force);
    await writeProject(stage, after.project);
    await runDocker(stage, after.project.outside);
    await up(stage, after.variable, '--build', '--yes', ...(isForced ? ['--force-recreate'] : []));
  }
  const changed = await stateOf(stage, one);
  const ids = await containersOf(stack);
  const visible = differences(recorded.inspection, changed.inspection);
  if (visible.length === 0 && isLate) return { verdict: 'unseen', why: [`${hand} by hand`] };
  if (visible.length === 0 && !one.changes.some(({ facet }) => facet.unseen)) {
    return { verdict: 'unseen', why: one.keys };
  }

  // A new shell: without the variables that the first one had.
  const { exitCode, ...printed } = await program(stage, {}, 'rollback', created.stdout, '--yes');
  const found = await stateOf(stage, one);
  const wrong = differences(recorded, withoutUnused(found, recorded));
  const why = [...wrong.slice(0, 6), ...(exitCode === 0 ? [] : lastLines(printed))];
  if (exitCode === 0 && wrong.length > 0 && isNamed(wrong, printed)) return { verdict: 'named', why };
  if (exitCode === 0) return { verdict: wrong.length === 0 ? 'equal' : 'wrong', why };
  if (exitCode === 23) return { verdict: wrong.length === 0 ? 'failed' : 'reported', why };
  const touched = [...differences(changed, found), ...differences(ids, await containersOf(stack))];
  if (exitCode === 3 && touched.length === 0) return { verdict: 'blocked', why: lastLines(printed) };
  return { verdict: 'failed', why: [`exit ${exitCode}`, ...why] };
}

/** A file that was replaced under a running container is in no point: what the container goes on reading then has to be named as not covered. */
function isNamed(wrong: string[], { stdout }: { stdout: string }): boolean {
  return (
    wrong.every((line) => line.includes('.inside:')) && stdout.includes('which still reads the earlier file')
  );
}

/** The project with a variable for the value at the path, and how the shell has it. */
function withVariable(project: Project, path: (string | number)[] | undefined, story: Case['story']) {
  if (!path) return { project, variable: {} };
  const value = valueAt(project.file, path);
  const file = replaceAt(project.file, path, '${PROPERTY}');
  if (typeof file !== 'object' || file === null || Array.isArray(file)) throw new Error('not a compose file');
  if (story === 'in the shell') return { project: { ...project, file }, variable: { PROPERTY: value } };
  const files = { ...project.files, '.env': `PROPERTY='${value}'\n` };
  return { project: { ...project, file, files }, variable: {} };
}

function replaceAt(value: Yaml, [key, ...path]: (string | number)[], by: string): Yaml {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item, index) => (index === key ? replaceAt(item, path, by) : item));
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, item]) => [name, name === key ? replaceAt(item, path, by) : item]),
  );
}

async function program(
  { stack, environment }: Stage,
  variable: Record<string, string>,
  ...argv: string[]
): Promise<CliResult> {
  return await cliWith(stack, { env: { ...environment, ...variable } }, ...argv);
}

const lastLines = ({ stdout, stderr }: { stdout: string; stderr: string }) =>
  `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-4);

async function stateOf({ stack }: Stage, { before, after }: Case): Promise<State> {
  const lookInside = /"(?:configs|secrets)"|"\.\/(?:conf|other)"/.test(
    JSON.stringify([before.file, after.file]),
  );
  const settled = async (): Promise<Inspection> => {
    for (let tries = 0; ; tries += 1) {
      const inspection = await inspectProject(stack.name, stack.directory, lookInside);
      const isChanging = JSON.stringify(inspection.containers).includes('"status":"restarting"');
      if (!isChanging || tries === 20) return inspection;
      await delay(100);
    }
  };
  const [inspection, all] = await Promise.all([settled(), filesOf(stack.directory)]);
  const own = Object.entries(all).filter(([path]) => !path.startsWith('rollback'));
  return { inspection, files: Object.fromEntries(own) };
}

/**
 * Networks, volumes and files that the change brought and nobody uses any more may stay; `.env` would be used. So may containers of others.
 */
function withoutUnused({ inspection, files }: State, recorded: State): State {
  const used = JSON.stringify(inspection.containers);
  const keep = <T>(now: Record<string, T>, before: object, isUsed: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(now).filter(([name]) => name in before || isUsed(name)));
  const isInUse = (name: string) => used.includes(`"${name}"`) || used.includes(`"${name}:`);
  const { containers, networks, volumes } = recorded.inspection;
  return {
    inspection: {
      containers: keep(inspection.containers, containers, (name) => !name.endsWith('-outside')),
      networks: keep(inspection.networks, networks, isInUse),
      volumes: keep(inspection.volumes, volumes, isInUse),
    },
    files: keep(files, recorded.files, (path) => path === '.env'),
  };
}
