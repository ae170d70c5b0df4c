import { createHash, createHmac } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import type { ComposeModel, ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Facts, Json, ProjectFacts, Settings } from '../model/facts.js';
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
  const targets = new Set([...recorded, ...(service && model ? contentsOf(service, model).keys() : [])]);
  const found = await Promise.all(
    [...targets].map(async (target) => [target, await describeFile(engine, container.id, target)] as const),
  );
  return Object.fromEntries(found.flatMap(([target, hash]) => (hash ? [[CONTENT + target, hash]] : [])));
}

/** One of content and variable. */
interface Copied {
  content: string | undefined;
  environment: string | undefined;
}

/** By the absolute path in the container. */
function contentsOf(service: ComposeService, model: ComposeModel): Map<string, Copied> {
  const copied = (kind: 'configs' | 'secrets', folder: string) =>
    service[kind].flatMap(({ source, target = source }) => {
      const { content, environment } = { ...model[kind][source] };
      if (content === undefined && environment === undefined) return [];
      const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
      const place = target.startsWith('/') ? target : folder + target;
      return [[place, { content: text(content), environment: text(environment) }] as const];
    });
  return new Map([...copied('configs', '/'), ...copied('secrets', '/run/secrets/')]);
}

/** Hash of the bytes, permissions and owner; undefined for what is no file. */
async function describeFile(engine: Engine, container: string, path: string): Promise<Json | undefined> {
  const archive = await engine.fileArchive(container, path);
  if (!archive) return undefined;
  for await (const { type, mode, uid, gid, content } of readTar(archive, path)) {
    if (type !== 'file') return undefined;
    const hash = createHash('sha256');
    for await (const piece of content) hash.update(piece);
    return { hash: hash.digest('hex'), mode, uid, gid };
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
        name.startsWith(CONTENT) ? [name, { ...fact, value: sealContent(fact.value, key) }] : [name, fact],
      ),
    );
  const services = Object.entries(facts.services).map(([name, containers]) => [name, containers.map(seal)]);
  return { ...facts, key, services: Object.fromEntries(services) };
}

function sealContent(value: Json, key: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { hash } = value;
  return typeof hash === 'string' ? { ...value, hash: sealHash(hash, key) } : value;
}

const sealHash = (hash: string, key: string) => createHmac('sha256', key).update(hash).digest('hex');

/**
 * Services whose recorded contents are not those that their recorded definitions give: somebody edited these before the point. Nobody has the bytes.
 * @param lookup value of a variable
 */
export function findOtherContents(
  facts: ProjectFacts,
  model: ComposeModel,
  lookup: (name: string) => string | undefined,
): string[] {
  const hashOf = (text: string) => sealHash(createHash('sha256').update(text).digest('hex'), facts.key);
  return Object.entries(facts.services).flatMap(([name, containers]) => {
    const service = model.services[name];
    const given = service ? contentsOf(service, model) : new Map<string, Copied>();
    const isOther = containers.some((one) =>
      Object.entries(one).some(([key, { value }]) => {
        const definition = given.get(key.slice(CONTENT.length));
        if (!key.startsWith(CONTENT) || !isDescribed(value)) return false;
        const text = definition?.content ?? (definition?.environment && lookup(definition.environment));
        return text === undefined || hashOf(text) !== value['hash'];
      }),
    );
    return isOther ? name : [];
  });
}

const isDescribed = (value: Json): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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
