import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { execa } from 'execa';
import {
  aStack,
  cliWith,
  containersOf,
  docker,
  filesOf,
  freePort,
  type CliResult,
  type Stack,
} from '../support/e2e.js';
import { compose } from '../support/engine.js';
import { differences, inspectProject, type Fields, type Inspection } from './inspection.js';
import { BY_HAND, HAND_NETWORK, scalarDifference, valueAt, type Case, type Project } from './model.js';
import type { Yaml } from './keys.js';

/** Plays one case on the engine: a point, a change, a rollback, and what an independent inspection says of the result. */

export type Verdict =
  /** Exit 0, and the recorded state runs again. */
  | 'equal'
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

/** A refusal of compose or docker to do what the case asks of it. */
class Impossible extends Error {}

export async function runCase(one: Case): Promise<Outcome> {
  const stack = await aStack(`prop${one.number}`, () => ({}));
  try {
    return await play(one, stack, await placeholders(one, stack));
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    return { verdict: 'impossible', why: [error.message] };
  } finally {
    await removeOutside(stack);
    await stack.remove();
  }
}

async function play(one: Case, stack: Stack, values: Record<string, string>): Promise<Outcome> {
  const { story, hand } = one;
  const path = ['in .env', 'in the shell'].includes(story)
    ? scalarDifference(one.before.file, one.after.file)
    : undefined;
  const [before, after] = [one.before, one.after].map((project) => withVariable(project, path, story));
  if (!before || !after) throw new Error('there are two projects');

  const run = async (step: Step) => await perform(stack, step, one.environment, values);
  await run({ write: before.project });
  await run({ docker: before.project.outside });
  await run({ up: before.variable });
  await run({ docker: one.prepare });
  if (hand !== undefined) await run({ docker: [HAND_NETWORK] });
  const byHand = hand === undefined ? [] : [BY_HAND[hand] ?? []];
  const isLate = story === 'by hand after the point';
  if (!isLate) await run({ docker: byHand });
  if (story === 'edited but not applied') await run({ write: after.project });

  const recorded = await stateOf(stack);
  const created = await program(stack, one, before.variable, 'create', '--quiet');
  if (created.exitCode !== 0) return { verdict: 'failed', why: ['create:', ...lastLines(created)] };

  if (isLate) await run({ docker: byHand });
  else {
    await run({ write: after.project });
    await run({ docker: after.project.outside });
    await run({
      up: after.variable,
      force: hand !== undefined || one.changes.some(({ facet }) => facet.force),
    });
  }
  const changed = await stateOf(stack);
  const ids = await containersOf(stack);
  const visible = differences(recorded.inspection, changed.inspection);
  if (visible.length === 0 && isLate) return { verdict: 'unseen', why: [`${hand} by hand`] };
  if (visible.length === 0 && !one.changes.some(({ facet }) => facet.unseen)) {
    return { verdict: 'unseen', why: one.keys };
  }

  // A new shell: without the variables that the first one had.
  const { exitCode, ...printed } = await program(stack, one, {}, 'rollback', created.stdout, '--yes');
  const found = await stateOf(stack);
  const wrong = differences(recorded, withoutUnused(found, recorded));
  const why = [...wrong.slice(0, 6), ...(exitCode === 0 ? [] : lastLines(printed))];
  if (exitCode === 0) return { verdict: wrong.length === 0 ? 'equal' : 'wrong', why };
  if (exitCode === 23) return { verdict: wrong.length === 0 ? 'failed' : 'reported', why };
  const touched = [...differences(changed, found), ...differences(ids, await containersOf(stack))];
  if (exitCode === 3 && touched.length === 0) return { verdict: 'blocked', why: lastLines(printed) };
  return { verdict: 'failed', why: [`exit ${exitCode}`, ...why] };
}

interface Step {
  write?: Project;
  docker?: readonly (readonly string[])[];
  /** Variables of the shell that calls `up`. */
  up?: Record<string, string>;
  force?: boolean;
}

async function perform(
  stack: Stack,
  { write, docker: commands = [], up, force = false }: Step,
  environment: Record<string, string>,
  values: Record<string, string>,
): Promise<void> {
  const fill = (text: string) => text.replaceAll(/%([A-Z]+)%/g, (all, name: string) => values[name] ?? all);
  if (write) {
    const files = { ...write.files, 'compose.yaml': stringify(write.file, { aliasDuplicateObjects: false }) };
    // Written anew, so that no file of the earlier project is left.
    for (const path of ['.env', ...Object.keys(write.files)]) await rm(stack.path(path), { force: true });
    await stack.write(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, fill(text)])));
  }
  try {
    for (const words of commands) {
      if (words.includes('%WEB%')) values['WEB'] = (await stack.ids('web'))[0] ?? '';
      await onceOutside(words.map(fill));
    }
    const env = { ...environment, ...up };
    const flags = force ? ['--force-recreate'] : [];
    if (up) await compose(['up', '--detach', '--build', ...flags], { cwd: stack.directory, env });
  } catch (error) {
    throw new Impossible(error instanceof Error ? error.message.slice(0, 600) : String(error));
  }
}

/** What is there already, because the project before the change needed it too, stays. */
async function onceOutside(words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await execa('docker', words, { stdin: 'ignore', reject: false });
  if (exitCode !== 0 && !/already (?:exists|in use)/.test(stderr)) {
    throw new Error(`docker ${words.join(' ')}: ${stderr}`);
  }
}

async function removeOutside(stack: Stack): Promise<void> {
  const label = `label=property=${stack.name}`;
  for (const [list, remove] of [
    [
      ['ps', '--all', '--quiet'],
      ['rm', '--force', '--volumes'],
    ],
    [
      ['network', 'ls', '--quiet'],
      ['network', 'rm', '--force'],
    ],
    [
      ['volume', 'ls', '--quiet'],
      ['volume', 'rm', '--force'],
    ],
  ] as const) {
    const found = (await docker(...list, '--filter', label)).split('\n').filter((id) => id !== '');
    if (list[0] === 'network') {
      // The project's containers are still in it.
      for (const id of await stack.ids('web')) {
        for (const network of found) {
          await execa('docker', ['network', 'disconnect', '--force', network, id], { reject: false });
        }
      }
    }
    if (found.length > 0) await execa('docker', [...remove, ...found], { reject: false });
  }
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
  stack: Stack,
  one: Case,
  variable: Record<string, string>,
  ...argv: string[]
): Promise<CliResult> {
  return await cliWith(stack, { env: { ...one.environment, ...variable } }, ...argv);
}

const lastLines = ({ stdout, stderr }: { stdout: string; stderr: string }) =>
  `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-4);

async function stateOf(stack: Stack): Promise<State> {
  const settled = async (): Promise<Inspection> => {
    for (let tries = 0; ; tries += 1) {
      const inspection = await inspectProject(stack.name, stack.directory);
      const isChanging = JSON.stringify(inspection.containers).includes('"status":"restarting"');
      if (!isChanging || tries === 20) return inspection;
      await delay(100);
    }
  };
  const [inspection, all] = await Promise.all([settled(), filesOf(stack.directory)]);
  const own = Object.entries(all).filter(([path]) => !path.startsWith('rollback'));
  return { inspection, files: Object.fromEntries(own) };
}

/** Networks, volumes and files that the change brought and nobody uses any more may stay; `.env` would be used. */
function withoutUnused({ inspection, files }: State, recorded: State): State {
  const used = JSON.stringify(inspection.containers);
  const keep = (now: Fields, before: Fields): Fields =>
    Object.fromEntries(Object.entries(now).filter(([name]) => name in before || used.includes(`"${name}`)));
  return {
    inspection: {
      ...inspection,
      networks: keep(inspection.networks, recorded.inspection.networks),
      volumes: keep(inspection.volumes, recorded.inspection.volumes),
    },
    files: Object.fromEntries(
      Object.entries(files).filter(([path]) => path in recorded.files || path === '.env'),
    ),
  };
}

/** Values that no two running cases share. */
async function placeholders(one: Case, stack: Stack): Promise<Record<string, string>> {
  const net = `10.${130 + (process.pid % 60)}.${one.number % 256}`;
  return {
    NAME: stack.name,
    NET: net,
    SIX: `fd00:${(process.pid % 0xffff).toString(16)}:${one.number.toString(16)}`,
    PORT: `${await freePort()}`,
    DISK: process.env['PROPERTY_DISK'] ?? '/dev/vda',
  };
}
