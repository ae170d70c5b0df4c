import type { ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { matchTemplate, parseTemplate, render, variablesIn } from '../engine/interpolation.js';
import type { Lookup } from '../engine/interpolation.js';
import { fieldOf, isRecord, listOf, scalarText, textOf } from './yaml.js';

/** A service as the files write it, before interpolation: as far as a container shows what became of it. */
export interface ServiceTemplate {
  image: string | undefined;
  containerName: string | undefined;
  /** Words joined by spaces, quotes left out. */
  command: string | undefined;
  environment: Map<string, string>;
  labels: Map<string, string>;
  /** `[ip:]published:target`. */
  ports: string[];
  /** Bare names that take the shell's value. */
  passedOn: Set<string>;
  /** Every variable it interpolates. */
  variables: Set<string>;
  /** Its environment comes from env files in part. */
  hasEnvFiles: boolean;
  /** Its labels come from label files in part. */
  hasLabelFiles: boolean;
}

export function emptyTemplate(): ServiceTemplate {
  return {
    image: undefined,
    containerName: undefined,
    command: undefined,
    environment: new Map(),
    labels: new Map(),
    ports: [],
    passedOn: new Set(),
    variables: new Set(),
    hasEnvFiles: false,
    hasLabelFiles: false,
  };
}

/** Lays one file's raw service over what earlier files (or the extended service) gave. */
export function addTemplate(template: ServiceTemplate, service: unknown): void {
  template.image = textOf(fieldOf(service, 'image')) ?? template.image;
  template.containerName = textOf(fieldOf(service, 'container_name')) ?? template.containerName;
  template.command = wordsOf(fieldOf(service, 'command')) ?? template.command;
  template.hasEnvFiles ||= listOf(fieldOf(service, 'env_file')).length > 0;
  template.hasLabelFiles ||= listOf(fieldOf(service, 'label_file')).length > 0;
  for (const [name, value] of assignments(fieldOf(service, 'environment'))) {
    template.environment.set(name, value ?? `\${${name}}`);
    if (value === undefined) template.passedOn.add(name);
  }
  for (const [name, value] of assignments(fieldOf(fieldOf(service, 'build'), 'args'))) {
    if (value === undefined) template.passedOn.add(name);
  }
  for (const [name, value] of assignments(fieldOf(service, 'labels'))) template.labels.set(name, value ?? '');
  template.ports.push(...listOf(fieldOf(service, 'ports')).flatMap((port) => portText(port) ?? []));
  for (const name of [...variablesIn(service), ...template.passedOn]) template.variables.add(name);
}

/** `{ A: x, B: }` and `[A=x, B]` alike; undefined for a bare name. */
function assignments(value: unknown): [string, string | undefined][] {
  if (isRecord(value)) {
    return Object.entries(value).map(([name, one]) => [name, scalarText(one)]);
  }
  return listOf(value)
    .filter((line) => typeof line === 'string')
    .map((line) => {
      const at = line.indexOf('=');
      return at === -1 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
    });
}

function wordsOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.replace(/["']/g, '');
  return Array.isArray(value) ? value.map(String).join(' ') : undefined;
}

function portText(port: unknown): string | undefined {
  if (typeof port === 'string') return port.replace(/\/(?:tcp|udp|sctp)$/, '');
  const published = scalarText(fieldOf(port, 'published'));
  return published === undefined ? undefined : `${published}:${scalarText(fieldOf(port, 'target')) ?? ''}`;
}

/**
 * Values that the service's variables must have had for the container to look as it does, where today's do not explain it: guesses, to be
 * confirmed. `fixed` variables cannot have another value; `likely` ones, those of today's shell, have one only where nothing else explains it.
 */
export function guessVariables(
  template: ServiceTemplate,
  container: Container,
  { fixed, likely, today }: { fixed: Lookup; likely: Lookup; today: Lookup },
): Record<string, string> {
  const guesses: Record<string, string> = {};
  for (const [text, actuals] of comparisons(template, container)) {
    const parts = parseTemplate(text);
    if (variablesIn(text).length === 0 || actuals.includes(render(parts, today))) continue;
    const known: Lookup = (name) => guesses[name] ?? fixed(name);
    const lookups: Lookup[] = [(name) => known(name) ?? likely(name), known];
    const matches = lookups.flatMap((lookup) =>
      actuals.map((actual) => matchTemplate(parts, actual, lookup)),
    );
    Object.assign(
      guesses,
      matches.find((match) => match !== undefined),
    );
  }
  return guesses;
}

/** A text of the files, and what it may have become in the container. */
function* comparisons(template: ServiceTemplate, container: Container): Generator<[string, string[]]> {
  if (template.image !== undefined) yield [template.image, [container.imageRef]];
  if (template.containerName !== undefined) yield [template.containerName, [container.name]];
  for (const [name, text] of template.environment) {
    const actual = container.env[name];
    if (actual !== undefined) yield [text, [actual]];
  }
  for (const [name, text] of template.labels) {
    const actual = container.labels[name];
    if (actual !== undefined) yield [text, [actual]];
  }
  for (const text of template.ports) yield [text, container.ports.flatMap(portTexts)];
  if (template.command !== undefined) {
    yield [template.command, container.command.map((_, index) => container.command.slice(index).join(' '))];
  }
}

function portTexts({ hostIp, hostPort, containerPort }: Container['ports'][number]): string[] {
  const pair = `${hostPort}:${containerPort}`;
  return [pair, `${hostIp}:${pair}`];
}

/** Does the container show what the model says, as far as it can be seen from outside? */
export function looksLike(container: Container, service: ComposeService): boolean {
  return (
    (service.image === undefined || service.image === container.imageRef) &&
    (service.container_name === undefined || service.container_name === container.name) &&
    has(container.env, service.environment) &&
    has(container.labels, service.labels)
  );
}

/** Null stands for a variable that was to be passed on and was not set. */
function has(actual: Record<string, string>, wanted: Record<string, string | null>): boolean {
  return Object.entries(wanted).every(([name, value]) => value === null || actual[name] === value);
}
