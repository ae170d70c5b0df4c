import { relative } from 'node:path';
import type { Observation } from '../../model/project.js';
import { buildOf } from '../../project/migration-files.js';
import { readText } from '../../project/yaml.js';
import { buildFileErrors } from './build-file.js';
import type { Finding } from './finding.js';

/** Services that could not be built again, by what their build files say. Nothing is built. */
export async function findBuildProblems({ model, project, services }: Observation): Promise<Finding[]> {
  const all = Object.entries(model?.services ?? {}).map(async ([service, definition]) => {
    const build = buildOf(definition, project.directory);
    if (!build) return [];
    const finding = { scenario: 'failed-build' as const, service };
    const shown = (path: string) => relative(project.directory, path) || '.';
    for (const file of build.files) {
      const text = await readText(file);
      if (text === undefined) continue;
      return buildFileErrors(text).map(({ line, problem }) => ({
        ...finding,
        cause: 'its build file does not parse',
        evidence: `${shown(file)}, line ${line}: ${problem}`,
        fix: 'correct the line; a point of `migrate backup` has the file as it was',
      }));
    }
    if (services[service]?.containers.length) return []; // What runs was built somewhere else.
    const names = build.files.map(shown).join(' or ');
    const fix = 'bring the file back: a point of `migrate backup` has it';
    return [{ ...finding, cause: 'its build file is not there', evidence: `no ${names}`, fix }];
  });
  return (await Promise.all(all)).flat();
}
