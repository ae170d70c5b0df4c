import type { ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { InterpolationVariable } from '../model/project.js';
import { isAtLeast, isSameRelease } from '../model/versions.js';
import type { ComposeSources } from './compose-files.js';
import type { Environment, Reading } from './reading.js';
import { guessVariables, looksLike } from './service-template.js';
import type { ServiceTemplate } from './service-template.js';

export interface DeductionInput {
  sources: ComposeSources;
  /** The environment we were called in. */
  env: Environment;
  /** Of the project; one-off ones left out. */
  containers: Container[];
  /** What the files give with `env`. */
  reading: Reading;
  /** Reads again with another environment: called when containers and files differ and a guess explains it. */
  read: (env: Environment) => Promise<Reading>;
  providerVersion: string;
}

export interface Deduction {
  variables: InterpolationVariable[];
  /** `env`, with the values that only the containers knew. */
  env: Environment;
  /** What the files give with that. */
  reading: Reading;
  /** Is a service's hash in `reading` the one that its containers would carry? */
  tells: (service: string) => boolean;
  /** True when all of a service's containers match the files, as far as that can be told. */
  matchesFiles: (service: string) => boolean;
  warnings: string[];
}

/**
 * The variables the compose files interpolate and where their values come from. `TAG=v2 docker compose up` leaves no trace but the
 * containers: where they differ from the files, the values that explain it are guessed from image references, environment, labels, names,
 * ports and commands, and believed only when the provider then gives the containers' own config hashes.
 */
export async function deduceVariables(input: DeductionInput): Promise<Deduction> {
  const { sources, env, reading, read } = input;
  const services = byService(input.containers);
  const differing = services.filter((service) => !runsAs(service, reading, input));
  const guesses = guessAll(differing, input);
  const without = () => conclude(input, {}, env, reading, differing);
  if (Object.keys(guesses).length === 0) return without();

  const trialEnv = { ...env, ...guesses };
  const trial = await read(trialEnv);
  const fits = (service: RunningService) => runsAs(service, trial, input);
  const explained = differing.filter(fits);
  const spoilt = services.filter((service) => !differing.includes(service) && !fits(service));
  const uses = (name: string) => (service: RunningService) =>
    sources.services[service.name]?.variables.has(name);
  const believed = Object.fromEntries(
    Object.entries(guesses).filter(([name]) => explained.some(uses(name)) && !spoilt.some(uses(name))),
  );
  const count = Object.keys(believed).length;
  if (count === 0) return without();
  const believedEnv = { ...env, ...believed };
  const final = count === Object.keys(guesses).length ? trial : await read(believedEnv);
  const drifted = services.filter((service) => !runsAs(service, final, input));
  return conclude(input, believed, believedEnv, final, drifted);
}

interface RunningService {
  name: string;
  /** The one that was started last first. */
  containers: Container[];
}

function byService(containers: Container[]): RunningService[] {
  const services = new Map<string, Container[]>();
  for (const container of containers.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))) {
    if (container.service === undefined || container.oneOff) continue;
    services.set(container.service, [...(services.get(container.service) ?? []), container]);
  }
  return [...services].map(([name, own]) => ({ name, containers: own }));
}

/** Are the service's containers what the files give? A service that the files do not know has nothing to differ from. */
function runsAs(
  { name, containers }: RunningService,
  { model, hashes }: Reading,
  { sources, providerVersion }: DeductionInput,
): boolean {
  const service = model?.services[name];
  if (model === undefined) return false;
  if (service === undefined) return true;
  const hash = hashes[name];
  const tells = hash !== undefined && hashTells(service, sources.services[name], providerVersion);
  return containers.every((container) => {
    if (container.configHash !== undefined && container.configHash === hash) return true;
    const { composeVersion, configHash } = container;
    const comparable = configHash !== undefined && isSameRelease(composeVersion, providerVersion);
    return !(tells && comparable && !imageInHash(providerVersion)) && looksLike(container, service);
  });
}

/**
 * Is a service's `config --hash` what its containers' label would be? Measured with compose 2.26.1 and 2.40.3: it has `service:x` where the
 * label was made with a container's id, and leaves out label files; before 5.5 (by its source) also what env files give.
 */
function hashTells(
  service: ComposeService,
  template: ServiceTemplate | undefined,
  providerVersion: string,
): boolean {
  const borrowing = [service.network_mode, service['ipc'], service['pid']];
  return (
    (template?.hasEnvFiles !== true || isAtLeast(providerVersion, '5.5')) &&
    template?.hasLabelFiles !== true &&
    service['volumes_from'] === undefined &&
    !borrowing.some((value) => typeof value === 'string' && /^(?:service|container):/.test(value))
  );
}

/** Version 1 hashes the image's id too: a moved tag is no other setting. */
function imageInHash(providerVersion: string): boolean {
  return providerVersion.startsWith('1.');
}

/** Where services disagree, the container that was started last is believed. */
function guessAll(differing: RunningService[], { sources, env }: DeductionInput): Record<string, string> {
  const newest = differing.flatMap(({ name, containers }) => {
    const template = sources.services[name];
    const [container] = containers;
    return template && container ? [{ template, container }] : [];
  });
  const guesses: Record<string, string> = {};
  for (const { template, container } of newest) {
    const found = guessVariables(template, container, {
      fixed: (name) => guesses[name],
      likely: (name) => env[name],
      today: sources.lookup,
    });
    Object.assign(guesses, found);
  }
  return guesses;
}

function conclude(
  { sources, providerVersion }: DeductionInput,
  believed: Record<string, string>,
  env: Environment,
  reading: Reading,
  drifted: RunningService[],
): Deduction {
  const variables = sources.variables.map((name): InterpolationVariable => {
    const deduced = believed[name];
    if (deduced !== undefined) return { name, value: deduced, source: 'container' };
    const value = env[name];
    return value === undefined ? { name, value: null, source: 'file' } : { name, value, source: 'shell' };
  });
  // Without a model everything differs, and saying so of every service helps nobody.
  const names = reading.model === undefined ? [] : drifted.map(({ name }) => name).toSorted();
  const defines = (name: string) => reading.model?.services[name] !== undefined;
  return {
    variables,
    env,
    reading,
    tells: (name) => {
      const service = reading.model?.services[name];
      return service !== undefined && hashTells(service, sources.services[name], providerVersion);
    },
    matchesFiles: (name) => defines(name) && !names.includes(name),
    warnings: [
      ...Object.keys(believed).map(
        (name) => `the value of ${name} is taken from the running containers, not from here`,
      ),
      ...names.map((name) => `${name} runs with other settings than its files give now`),
    ],
  };
}
