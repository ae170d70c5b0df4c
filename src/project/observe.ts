import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import type { ComposeProvider } from '../engine/provider.js';
import { canonicalText } from '../model/canonical.js';
import type { ComposeModel } from '../model/compose.js';
import type { Config } from '../model/config.js';
import type { Container, Image } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Stranger } from '../model/ownership.js';
import type { Point, PointEntry } from '../model/point.js';
import type { Observation, Project, ServiceObservation } from '../model/project.js';
import { filesOfServices } from './binds.js';
import { readComposeFiles } from './compose-files.js';
import { readConfiguration } from './configuration.js';
import type { ContentTargets } from './contents.js';
import { readFacts } from './facts.js';
import { containersNamed, sortContainers, type ProjectContainers } from './containers.js';
import { readGit } from './git.js';
import { withKnownImages } from './image-records.js';
import { activeServices, deduceProfiles } from './profiles.js';
import { readModel, readsSame } from './reading.js';
import { findStaleMounts } from './stale-mounts.js';
import type { EarlyReading, Environment, Reading } from './reading.js';
import { deduceVariables } from './variables.js';
import type { Deduction } from './variables.js';

export interface ObserveInput {
  /** As `findProject` gave it. */
  project: Project;
  engine: Engine;
  provider: ComposeProvider;
  config: Pick<Config, 'config_files'>;
  /** Of a point to migrate from: globs of what else belongs to it. */
  migrationFiles?: string[] | undefined;
  /** Absolute. */
  backupDir: string;
  /** The environment we were called in. */
  env: Environment;
  /** The point to go to: the present state of everything it holds is looked at too. */
  target?: Pick<Point, 'entries' | 'outside' | 'directories' | 'images'> | undefined;
  /** Files that the target recorded inside of containers. */
  contents?: ContentTargets | undefined;
  /** All that carry the project's name, where they were asked for already. */
  containers?: Container[] | undefined;
  /** A reading of the files that was started earlier. */
  early?: EarlyReading | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * One snapshot of the present, everything at once. A broken present gives `modelError`, not an error; throws when the engine does not answer,
 * or the signal's reason.
 */
export async function observe(input: ObserveInput): Promise<Observation> {
  const { project, engine, provider, env, target, signal } = input;
  const began = Date.now();
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const images = new ImageBook(engine);
  const wanted = Object.values(target?.images ?? {});
  images.ask(
    wanted.flatMap(({ id, ref, digests, tag_id, kept_tag }) =>
      [id, ref, ...digests, tag_id, kept_tag].filter((name) => name !== null),
    ),
  );

  const taking = takeContainers(input, images);
  const [reading, sources, { replicas: containers, strangers }, identity, version, git] = await Promise.all([
    takeReading(input, taking),
    readComposeFiles(project, env),
    taking,
    engine.identity(),
    provider.version(),
    readGit(project.directory, { warn, signal }),
  ]);

  const [deduction, configuration] = await Promise.all([
    deduceVariables({
      sources,
      env,
      containers,
      reading,
      read: (otherEnv) => readModel(provider, presentProject(project, containers), otherEnv, signal),
      providerVersion: version,
    }),
    readConfiguration({
      project,
      model: reading.model,
      sources,
      containers,
      config: input.config,
      migrationFiles: input.migrationFiles,
      backupDir: input.backupDir,
      began,
      alsoPaths: target?.entries.map(({ path }) => path) ?? [],
      unsteady: target?.entries.filter(isUnsteady).map(({ path }) => path) ?? [],
      alsoDirectories: target?.directories ?? [],
      alsoOutside: target?.outside.map(({ path }) => path) ?? [],
    }),
  ]);

  const { model, modelError } = deduction.reading;
  const { profiles, added } = deduceProfiles(project.profiles, model, containers);
  const names = new Set([
    ...activeServices(model, profiles),
    ...containers.flatMap(({ service }) => service ?? []),
  ]);
  const impossible = [...names].find((name) => name in Object.prototype);
  if (impossible !== undefined) {
    throw new RollbackError(
      'not-supported',
      `a service cannot be called ${quoted(impossible)} here; nothing was touched`,
      {
        hint: 'the name means something to JavaScript, which this program is written in: rename the service',
      },
    );
  }
  const named = presentProject(project, containers);
  images.ask([...names].flatMap((name) => referenceOf(name, model, named, provider) ?? []));
  const preferred = wanted.map(({ id }) => id);
  const present = await withKnownImages(engine, containers, await images.answers(), preferred);
  images.ask(present.map(({ imageId }) => imageId));
  const services = Object.fromEntries(
    [...names].toSorted().map((name) => [name, observeService(name, present, deduction)]),
  );
  const known = await images.answers();
  const [facts, stale] = await Promise.all([
    readFacts({
      project: named,
      engine,
      identity,
      model,
      services,
      images: known,
      contents: input.contents ?? {},
    }),
    findStaleMounts(project, identity, present),
  ]);
  return {
    takenAt: new Date().toISOString(),
    project: { ...presentProject(project, containers), profiles },
    engine: identity,
    provider: {
      name: provider.name,
      version,
      replaces: provider.replaces,
      readsModels: provider.readsModels,
    },
    model,
    modelError,
    services,
    strangers,
    configuration: { ...configuration, skipped: [...configuration.skipped, ...stale] },
    variables: deduction.variables,
    images: known,
    facts,
    git,
    warnings: [
      ...warnings,
      ...originWarnings(project),
      ...describeStrangers(project.name, strangers),
      ...added.map(profileWarning),
      ...deduction.warnings,
    ],
  };
}

const isUnsteady = (entry: PointEntry) => entry.type === 'file' && entry.unsteady === true;

async function takeReading(
  { project, provider, env, early, signal }: ObserveInput,
  containers: Promise<ProjectContainers>,
): Promise<Reading> {
  const present =
    project.alias === undefined ? project : presentProject(project, (await containers).replicas);
  if (early && readsSame(early.of, present)) return early.reading;
  early?.cancel();
  return readModel(provider, present, env, signal);
}

/** Under the name that it runs by now. */
function presentProject(project: Project, replicas: Container[]): Project {
  const { alias, ...present } = project;
  return alias !== undefined && replicas.some((one) => one.project === alias)
    ? { ...present, name: alias }
    : present;
}

/** The project's containers; the images of its replicas are asked for at once. */
async function takeContainers(input: ObserveInput, images: ImageBook): Promise<ProjectContainers> {
  const { project, engine } = input;
  const all = input.containers ?? (await containersNamed(engine, project));
  const sorted = await sortContainers(project, all);
  images.ask(sorted.replicas.flatMap(({ imageId, imageRef }) => [imageId, imageRef]));
  return sorted;
}

function observeService(
  name: string,
  containers: Container[],
  { reading, tells, matchesFiles }: Deduction,
): ServiceObservation {
  const own = containers.filter(({ service }) => service === name);
  const hash = reading.hashes[name];
  const isTrue = tells(name) || own.some(({ configHash }) => configHash === hash);
  return {
    name,
    containers: own.toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0)),
    filesHash: isTrue ? hash : undefined,
    matchesFiles: matchesFiles(name),
  };
}

/** Images by whatever they were asked for, each once, asked for as soon as the name is known. */
class ImageBook {
  readonly #engine: Engine;
  readonly #asked = new Map<string, Promise<Image | null>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  ask(references: string[]): void {
    for (const reference of references) {
      if (reference === '' || this.#asked.has(reference)) continue;
      const looking = this.#look(reference);
      looking.catch(() => undefined); // `answers` throws it
      this.#asked.set(reference, looking);
    }
  }

  async answers(): Promise<Record<string, Image | null>> {
    const found = [...this.#asked].map(async ([reference, looking]) => [reference, await looking] as const);
    return Object.fromEntries((await Promise.all(found)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  async #look(reference: string): Promise<Image | null> {
    try {
      return (await this.#engine.image(reference)) ?? null;
    } catch (error) {
      // What a broken compose file calls an image need not be a reference at all.
      if (error instanceof RollbackError && error.code === 'usage') return null;
      throw error;
    }
  }
}

/** What the service's image is called by the files; a service that is only built is named by the provider. */
function referenceOf(
  service: string,
  model: ComposeModel | undefined,
  { name }: Project,
  provider: ComposeProvider,
): string | undefined {
  const known = model?.services[service];
  return known && (known.image ?? provider.defaultImage(name, service, model));
}

/** What carries the project's name and is left out of everything. */
function describeStrangers(name: string, strangers: readonly Stranger[]): string[] {
  const namesOf = (some: Stranger[]) => some.map(({ container }) => container.name).join(', ');
  const copies = strangers.filter(({ standing }) => standing === 'copy');
  const others = strangers.filter(({ standing }) => standing === 'namesake');
  const folders = [...new Set(others.flatMap(({ directory }) => directory ?? []))];
  return [
    ...(copies.length > 0
      ? [
          `not counted: ${namesOf(copies)}, with the labels of project ${name} from their image and not made by compose`,
        ]
      : []),
    ...(others.length > 0
      ? [
          `not counted: ${namesOf(others)}, of another project that is called ${name} too and runs from another folder: ${folders.join(', ')}`,
        ]
      : []),
  ];
}

function originWarnings({ origin, files }: Project): string[] {
  if (origin !== 'labels') return [];
  return [`the compose files are those the containers were started with: ${files.join(', ')}`];
}

function profileWarning(profile: string): string {
  return `profile ${profile} is taken as active, because a service of it has containers`;
}

/**
 * A digest of everything that a plan rests on. Left out are times, health, the order of things, the content of files that running services write, and
 * where in its loop a crashing container is.
 */
export function fingerprint(observation: Observation): string {
  const { project, engine, services, configuration, variables, images, modelError } = observation;
  const written = filesOfServices(observation);
  const facts = {
    engine: engine.id,
    project,
    services: Object.values(services).map(({ name, containers, filesHash }) => ({
      name,
      filesHash,
      containers: containers
        .map(({ id, state, imageId }) => ({
          id,
          state: state === 'restarting' ? 'running' : state,
          imageId,
        }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    })),
    entries: configuration.entries.map((entry) =>
      entry.type === 'file' && (entry.unsteady || written.has(entry.path))
        ? { ...entry, size: 0, sha256: '', unsteady: true }
        : entry,
    ),
    outside: configuration.outside,
    directories: configuration.directories,
    access: configuration.access,
    variables,
    images: Object.entries(images).map(([reference, image]) => [reference, image?.id]),
    modelError,
  };
  return `sha256:${createHash('sha256').update(canonicalText(facts)).digest('hex')}`;
}
