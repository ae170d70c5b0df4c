import { createHash, createHmac } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import type { ComposeModel, ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { type Facts, type ProjectFacts, type Settings } from '../model/facts.js';
import { readTar } from '../store/tar.js';

/**
 * Files that compose copies into a container when it makes it: `configs` and `secrets` whose content stands in the compose file or in a
 * variable. They are in no hash of compose (docker/compose#11900) and in no inspection.
 */

/** Absolute paths in the containers, by service. */
export type ContentTargets = Record<string, string[]>;

const CONTENT = 'content.';

/** Hashes of these files as they are inside of a container, by their keys among the facts. A file that is not there has none. */
export async function readContents(
  engine: Engine,
  container: Container,
  model: ComposeModel | undefined,
  recorded: string[],
): Promise<Settings> {
  const service = container.service === undefined ? undefined : model?.services[container.service];
  const targets = new Set([...recorded, ...(service && model ? contentTargets(service, model) : [])]);
  const found = await Promise.all(
    [...targets].map(async (target) => [target, await hashFile(engine, container.id, target)] as const),
  );
  return Object.fromEntries(found.flatMap(([target, hash]) => (hash ? [[CONTENT + target, hash]] : [])));
}

function contentTargets(service: ComposeService, model: ComposeModel): string[] {
  const copied = (kind: 'configs' | 'secrets', folder: string) =>
    service[kind].flatMap(({ source, target = source }) => {
      const definition = model[kind][source];
      const isCopied = definition?.['content'] !== undefined || definition?.['environment'] !== undefined;
      return isCopied ? [target.startsWith('/') ? target : folder + target] : [];
    });
  return [...copied('configs', '/'), ...copied('secrets', '/run/secrets/')];
}

/** Hash of bytes, permissions and owner; undefined for what is no file. */
async function hashFile(engine: Engine, container: string, path: string): Promise<string | undefined> {
  const archive = await engine.fileArchive(container, path);
  if (!archive) return undefined;
  for await (const { type, mode, uid, gid, content } of readTar(archive, path)) {
    if (type !== 'file') return undefined;
    const hash = createHash('sha256').update(`${mode.toString(8)}:${uid}:${gid}\n`);
    for await (const piece of content) hash.update(piece);
    return hash.digest('hex');
  }
  return undefined;
}

/**
 * The facts with hashes of contents under the key of a point; as they are when that is empty. Plain hashes of short secrets could be guessed.
 */
export function sealContents(facts: ProjectFacts, key: string): ProjectFacts {
  if (key === '') return facts;
  const seal = (one: Facts): Facts =>
    Object.fromEntries(
      Object.entries(one).map(([name, fact]) =>
        name.startsWith(CONTENT) && typeof fact.value === 'string'
          ? [name, { ...fact, value: createHmac('sha256', key).update(fact.value).digest('hex') }]
          : [name, fact],
      ),
    );
  const services = Object.entries(facts.services).map(([name, containers]) => [name, containers.map(seal)]);
  return { ...facts, key, services: Object.fromEntries(services) };
}

/** The files of this kind that a point recorded. */
export function contentTargetsOf({ services }: ProjectFacts): ContentTargets {
  return Object.fromEntries(
    Object.entries(services).map(([name, containers]) => {
      const keys = containers.flatMap((facts) => Object.keys(facts));
      return [
        name,
        [...new Set(keys.filter((key) => key.startsWith(CONTENT)).map((key) => key.slice(CONTENT.length)))],
      ];
    }),
  );
}
