import { composeModelSchema } from '../../src/model/compose.js';
import type { Configuration, Project } from '../../src/model/project.js';
import { readComposeFiles } from '../../src/project/compose-files.js';
import { readConfiguration, type ConfigurationInput } from '../../src/project/configuration.js';
import { projectIn, type Folder } from './folder.js';

interface Mount {
  source: string;
  read_only?: boolean;
}

/** The configuration of a folder with a `compose.yaml` and these bind mounts. */
export async function configurationOf(
  folder: Folder,
  more: Partial<ConfigurationInput> & { mounts?: Mount[]; files?: Partial<Project>; globs?: string[] } = {},
): Promise<Configuration> {
  const project = projectIn(folder, more.files);
  const volumes = (more.mounts ?? []).map((mount) => ({ type: 'bind', target: '/x', ...mount }));
  return readConfiguration({
    project,
    model: composeModelSchema.parse({ services: { api: { volumes } } }),
    sources: await readComposeFiles(project, {}),
    containers: [],
    config: { config_files: more.globs ?? [] },
    backupDir: folder.at('rollback/backups'),
    ...more,
  });
}

/** What is there. */
export const paths = (configuration: Configuration) =>
  configuration.entries.filter(({ type }) => type !== 'absent').map(({ path }) => path);
/** What is recorded as not there. */
export const absent = (configuration: Configuration) =>
  configuration.entries.filter(({ type }) => type === 'absent').map(({ path }) => path);
