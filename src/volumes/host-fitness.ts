import { access, constants, readFile, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { messageOf } from '../model/errors.js';
import { hasErrno, lstatIfThere } from '../store/files.js';
import { answerOf, runTool } from './child.js';
import { foreign, inside, type Place } from './driver.js';

/** A file name has 255 bytes at most; what siblings add to the place's own must fit. */
const MAX_NAME_BYTES = 200;

/** Programs whose options we count on, and what GNU's say of themselves. `rm`, `du` and `sync` come with `cp`. */
const PROGRAMS = [
  ['tar', /GNU tar/],
  ['find', /GNU findutils/],
  ['cp', /GNU coreutils/],
] as const;

/** Why data cannot be copied and swapped right in the file system, for a person; undefined when it can. */
export async function unfitOnHost(place: Place): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'this is not Linux';
  return (
    foreign(place) ??
    (await missingProgram()) ??
    (await closedNamespace(place.through)) ??
    (await notPlainDirectory(place)) ??
    (await mounted(place)) ??
    (place.through === undefined ? await notOurs(place) : await unmapped(place))
  );
}

/** Why programs cannot be started in the namespace that a place is in, for a person. */
export async function closedNamespace(through: Place['through'] = []): Promise<string | undefined> {
  const [program] = through;
  if (program === undefined || (await answerOf([...through, 'echo', 'open'])) !== undefined) return undefined;
  return `${program} ${through.at(-1)} does not work here`;
}

/** What the kernel calls ids that a user namespace does not know, and what Prometheus, say, runs as. */
const NOBODY = '65534';

let missing: Promise<string | undefined> | undefined;

/** What is installed is looked up once: it takes three processes. */
function missingProgram(): Promise<string | undefined> {
  return (missing ??= findMissing());
}

async function findMissing(): Promise<string | undefined> {
  const answers = await Promise.all(
    PROGRAMS.map(async ([name, gnu]) =>
      gnu.test((await answerOf([name, '--version'])) ?? '') ? [] : [name],
    ),
  );
  const [name] = answers.flat();
  return name === undefined ? undefined : `there is no GNU ${name} here`;
}

async function notPlainDirectory({ path, through }: Place): Promise<string | undefined> {
  try {
    if (!(await lstatIfThere(path))?.isDirectory()) return `${path} is not a directory here`;
    const real = await realpath(path);
    if (real !== path) return `${path} is reached by a symbolic link: it is ${real}`;
    if (path === '/' || Buffer.byteLength(basename(path)) > MAX_NAME_BYTES) {
      return `nothing can be put beside ${path}`;
    }
    for (const needed of [...(through === undefined ? [path] : []), dirname(path)]) {
      await access(needed, constants.R_OK | constants.W_OK | constants.X_OK);
    }
    return undefined;
  } catch (thrown) {
    if (hasErrno(thrown, 'EACCES', 'EPERM', 'EROFS'))
      return `${path} cannot be written: ${messageOf(thrown)}`;
    throw thrown;
  }
}

/** A mount point cannot be renamed, and what is mounted below would be renamed, and removed, with the data. */
async function mounted({ path }: Place): Promise<string | undefined> {
  const table = await readFile('/proc/self/mountinfo', 'latin1');
  const wanted = Buffer.from(path).toString('latin1');
  const point = table
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replaceAll(/\\([0-7]{3})/g, (_, octal: string) => unescaped(octal)),
    )
    .find((mount) => mount === wanted || mount.startsWith(`${wanted}/`));
  return point === undefined
    ? undefined
    : `something is mounted at ${Buffer.from(point, 'latin1').toString()}`;
}

function unescaped(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}

/** In a user namespace everything is ours but what it does not know: copied, that would belong to somebody else. */
async function unmapped(place: Place): Promise<string | undefined> {
  if (place.kind === 'volume') return undefined;
  const { path } = place;
  // Root may write what belongs to a nobody of the namespace's own, and not what it does not know.
  const nobody = ['(', '-uid', NOBODY, '-o', '-gid', NOBODY, ')'];
  const unknown = [...nobody, '!', '-type', 'l', '!', '-writable', '-print', '-quit'];
  const argv = inside(place, 'find', path, ...unknown);
  return await foundBy(argv, path, `${path} holds files of users that its containers do not know`);
}

/** Only root may give files to others, or read what it is not allowed to. */
async function notOurs({ path }: Place): Promise<string | undefined> {
  const user = process.geteuid?.();
  if (user === 0 || user === undefined) return undefined;
  const groups = [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])];
  const ours = groups.flatMap((group, at) => [...(at === 0 ? [] : ['-o']), '-gid', `${group}`]);
  const argv = ['find', path, '!', '(', '-uid', `${user}`, '(', ...ours, ')', ')', '-print', '-quit'];
  return await foundBy(argv, path, `${path} holds files of other users`);
}

async function foundBy(argv: string[], path: string, problem: string): Promise<string | undefined> {
  try {
    return (await runTool(`look through ${path}`, argv)) === '' ? undefined : problem;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
