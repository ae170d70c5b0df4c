import { isAbsolute, join, resolve } from 'node:path';
import type { ComposeModel } from '../model/compose.js';
import { isIgnored, parseDockerIgnore } from './docker-ignore.js';
import { realpathOfExisting, relativeTo } from './paths.js';
import { isRecord, readText, textOf } from './yaml.js';

/** Which builds of a project would take the backup directory into their images. */

/** Files as a backup directory has them: a build is spared it when it is spared all of them. */
const SAMPLES = [
  'index.db',
  'audit.jsonl',
  'store-key.age',
  'runs/run-000000000000.jsonl',
  'rb-000000000000/point.json',
  'rb-000000000000/model.json',
  'rb-000000000000/configs/.env',
  'rb-000000000000/configs/compose.yaml',
  'rb-000000000000/volumes/data.tar.zst',
];

/** A directory that a build reads. */
interface BuildContext {
  /** Absolute. */
  directory: string;
  /** Absolute: the first that exists says what is left out. */
  ignoreFiles: string[];
}

/** The services whose builds read the backup directory, by name. `directory` is the project's, all paths are absolute. */
export async function servicesTakingIn(
  model: ComposeModel,
  { directory, backupDir }: { directory: string; backupDir: string },
): Promise<string[]> {
  const place = await realpathOfExisting(backupDir);
  const found: string[] = [];
  for (const [service, { build }] of Object.entries(model.services)) {
    for (const context of contextsOf(build, directory)) {
      if (!(await takesIn(context, place))) continue;
      found.push(service);
      break;
    }
  }
  return found;
}

/** False only when the texts of the compose files rule it out. */
export async function mayBuild(files: readonly string[]): Promise<boolean> {
  const texts = await Promise.all(files.map((file) => readText(file)));
  return texts.some((text) => /build|include|extends/.test(text ?? ''));
}

async function takesIn({ directory, ignoreFiles }: BuildContext, place: string): Promise<boolean> {
  const below = relativeTo(await realpathOfExisting(directory), place);
  if (below === undefined) return false;
  const ignore = parseDockerIgnore(await firstText(ignoreFiles));
  return SAMPLES.some((sample) => !isIgnored(ignore, join(below, sample)));
}

async function firstText(files: readonly string[]): Promise<string> {
  for (const file of files) {
    const text = await readText(file);
    if (text !== undefined) return text;
  }
  return '';
}

function contextsOf(build: unknown, directory: string): BuildContext[] {
  const settings = typeof build === 'string' ? { context: build } : build;
  if (!isRecord(settings)) return [];
  const { dockerfile, dockerfile_inline: inline, additional_contexts: additional } = settings;
  const [context] = localDirectory(settings['context'] ?? '.', directory);
  const named = isRecord(additional) ? Object.values(additional) : [];
  return [
    ...(context === undefined
      ? []
      : [
          {
            directory: context,
            ignoreFiles: [
              // BuildKit prefers the one beside the Dockerfile, which need not be in the context.
              ...(inline === undefined
                ? [`${resolve(context, textOf(dockerfile) ?? 'Dockerfile')}.dockerignore`]
                : []),
              join(context, '.dockerignore'),
            ],
          },
        ]),
    ...named
      .flatMap((value) => localDirectory(value, directory))
      .map((other) => ({ directory: other, ignoreFiles: [join(other, '.dockerignore')] })),
  ];
}

/** Nothing for a context that is an address, an image or another service. */
function localDirectory(context: unknown, directory: string): string[] {
  if (typeof context !== 'string' || context === '') return [];
  if (!isAbsolute(context) && /^(?:[a-z][a-z+-]*:|git@|github\.com\/)/.test(context)) return [];
  return [resolve(directory, context)];
}
