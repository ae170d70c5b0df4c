import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RollbackError } from '../../model/errors.js';
import { quoted } from '../../model/names.js';
import type { Project } from '../../model/project.js';
import type { Environment, Reading } from '../../project/reading.js';
import { explained, lstatIfThere, replaceFile, writeNewFile } from '../../store/files.js';
import { QUADLET_PODMAN, quadletOf, type Quadlet, type QuadletRemark } from './quadlet.js';
import { withoutSecrets } from './secrets.js';

/** Units shown, or written where somebody wants them; nothing is put where systemd looks by itself. */

export interface QuadletRequest {
  /** Where to write them; absent: nowhere. */
  output?: string | undefined;
  /** Replace files that are there. */
  force?: boolean | undefined;
}

export interface QuadletReport {
  project: string;
  /** The oldest Podman that reads them as they are meant. */
  podman: string;
  /** Absolute; null when nothing was written. */
  directory: string | null;
  /** As written, but for secrets: `***` stands for them. */
  units: { name: string; text: string }[];
  /** Files of variables, with the names of those. */
  environments: { name: string; variables: string[] }[];
  remarks: QuadletRemark[];
}

/** Units that could be written now. */
export interface PreparedQuadlet {
  report: QuadletReport;
  /** Throws `usage` when something is there by now, `failed` when it cannot be written. */
  write: () => Promise<void>;
}

/** Throws `provider-failed` when the files do not resolve, `usage` when something is there and not `force`. Writes nothing. */
export async function prepareQuadlet(
  { name: project, profiles }: Project,
  { model, modelError }: Reading,
  env: Environment,
  { output, force = false }: QuadletRequest,
): Promise<PreparedQuadlet> {
  if (!model) {
    throw new RollbackError('provider-failed', 'the compose files do not resolve', {
      details: modelError?.split('\n') ?? [],
    });
  }
  const files = filesOf(quadletOf(model, { project, profiles }));
  const directory = output === undefined ? null : resolve(output);
  if (directory !== null) await findReplaced(directory, files, force);
  const { units, environments, remarks } = quadletOf(withoutSecrets(model, env), { project, profiles });
  const report = {
    project,
    podman: QUADLET_PODMAN,
    directory,
    units,
    environments: environments.map(({ name, variables }) => ({
      name,
      variables: variables.map(([variable]) => variable),
    })),
    remarks,
  };
  const write = async () => {
    if (directory !== null) await writeFiles(directory, files, force);
  };
  return { report, write };
}

function filesOf({ units, environments }: Quadlet): { name: string; text: string }[] {
  const variables = environments.map((environment) => ({
    name: environment.name,
    text: environment.variables.map(([name, value]) => `${name}=${value}\n`).join(''),
  }));
  return [...units, ...variables];
}

/** For nobody else to read: commands may hold secrets too. */
async function writeFiles(
  directory: string,
  files: { name: string; text: string }[],
  force: boolean,
): Promise<void> {
  await explained('write the units', async () => {
    await mkdir(directory, { recursive: true });
    const there = await findReplaced(directory, files, force);
    for (const { name, text } of files) {
      const path = join(directory, name);
      if (there.has(name))
        await replaceFile(path, text, join(directory, `.${name}.${randomBytes(4).toString('hex')}.tmp`));
      else await writeNewFile(path, text);
    }
  });
}

/** Names of those that are there, and may be replaced. Throws `usage` when one may not. */
async function findReplaced(
  directory: string,
  files: { name: string }[],
  force: boolean,
): Promise<ReadonlySet<string>> {
  const place = await lstatIfThere(directory);
  if (place && !place.isDirectory() && !place.isSymbolicLink()) {
    throw new RollbackError('usage', `${quoted(directory)} is no directory; nothing was written`, {
      hint: 'choose another one',
    });
  }
  const there = new Set<string>();
  for (const { name } of files) {
    const found = await lstatIfThere(join(directory, name));
    if (!found) continue;
    if (!force || !found.isFile()) {
      throw new RollbackError(
        'usage',
        `${quoted(name)} is in ${quoted(directory)} already; nothing was written`,
        {
          hint: found.isFile()
            ? 'choose another directory, or add --force to replace it'
            : 'choose another directory',
        },
      );
    }
    there.add(name);
  }
  return there;
}
