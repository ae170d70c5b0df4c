import { readdir, rm } from 'node:fs/promises';
import { stringify } from 'yaml';
import { execa } from 'execa';
import { aStack, docker, environmentOf, freePort, type Stack } from '../support/e2e.js';
import { compose } from '../support/engine.js';
import type { Project } from './model.js';

/** A stack on the engine that generated projects are played on. */
export interface Stage {
  stack: Stack;
  /** What `%NAME%` and the other words of fragments stand for. */
  values: Record<string, string>;
  /** Variables of the shell. */
  environment: Record<string, string>;
}

/** Compose or docker refuses what is asked of it. */
export class Impossible extends Error {}

/** `number` gives the stage subnets of its own; no two stages of one process have the same at the same time. */
export async function openStage(number: number, environment: Record<string, string>): Promise<Stage> {
  const stack = await aStack(`prop${number}`, () => ({}));
  const values = {
    NAME: stack.name,
    NET: `10.${130 + (process.pid % 60)}.${number % 256}`,
    SIX: `fd00:${(process.pid % 0xffff).toString(16)}:${(number % 0xffff).toString(16)}`,
    PORT: `${await freePort()}`,
    DISK: await findDisk(),
  };
  return { stack, values, environment };
}

/** Removes the stack, and what was made for it outside of it: all of that has the label `property`. */
export async function closeStage({ stack }: Stage): Promise<void> {
  await stack.remove();
  const removeAll = async (list: string[], remove: string[]) => {
    const found = await docker(...list, '--quiet', '--filter', `label=property=${stack.name}`);
    if (found !== '') await docker(...remove, ...found.split('\n'));
  };
  await removeAll(['ps', '--all'], ['rm', '--force', '--volumes']);
  await removeAll(['network', 'ls'], ['network', 'rm']);
  await removeAll(['volume', 'ls'], ['volume', 'rm']);
}

/** Writes the compose file and its neighbours, each as a new file; others stay, but `.env`. */
export async function writeProject({ stack, values }: Stage, { file, files }: Project): Promise<void> {
  const all = { ...files, 'compose.yaml': stringify(file, { aliasDuplicateObjects: false }) };
  for (const path of ['.env', ...Object.keys(all)]) await rm(stack.path(path), { force: true });
  const filled = Object.entries(all).map(([path, text]) => [path, fillIn(text, values)]);
  await stack.write(Object.fromEntries(filled));
}

/** Runs `docker` with each of these arguments. A thing that exists already, because an earlier project needed it too, stays. */
export async function runDocker(
  { stack, values }: Stage,
  commands: readonly (readonly string[])[],
): Promise<void> {
  for (const words of commands) {
    const web = words.includes('%WEB%') ? ((await stack.ids('web'))[0] ?? '') : '';
    const argv = words.map((word) => fillIn(word, { ...values, WEB: web }));
    const { exitCode, stderr } = await execa('docker', argv, { stdin: 'ignore', reject: false });
    if (exitCode !== 0 && !/already (?:exists|in use)/.test(stderr)) {
      throw new Impossible(`docker ${argv.join(' ')}: ${stderr}`);
    }
  }
}

/** `docker compose up` from a shell with these further variables. */
export async function up(
  { stack, environment }: Stage,
  variables: Record<string, string>,
  ...flags: string[]
): Promise<void> {
  const env = { ...environmentOf(stack), ...environment, ...variables };
  try {
    await compose(['up', '--detach', ...flags], { cwd: stack.directory, env });
  } catch (error) {
    throw new Impossible(error instanceof Error ? error.message.slice(-500) : String(error));
  }
}

/** A disk of this machine, for limits of its rates. */
async function findDisk(): Promise<string> {
  const devices = await readdir('/sys/block');
  return `/dev/${devices.find((name) => !/^(?:loop|ram|zram|sr|dm-)/.test(name)) ?? 'sda'}`;
}

function fillIn(text: string, values: Record<string, string>): string {
  return text.replaceAll(/%([A-Z]+)%/g, (all, name: string) => values[name] ?? all);
}
