import { dirname, join, resolve } from 'node:path';
import type { Project } from '../model/project.js';
import { environmentOf } from './locate.js';
import { interpolate, variablesIn } from '../engine/interpolation.js';
import type { Lookup } from '../engine/interpolation.js';
import { look } from './paths.js';
import { addTemplate, emptyTemplate } from './service-template.js';
import type { ServiceTemplate } from './service-template.js';
import { fieldOf, listOf, parseYaml, readText, recordOf, textOf } from './yaml.js';

/**
 * What the compose files themselves say, read without compose: which files make up the model, which variables they interpolate, and what
 * each service looks like before interpolation. Works on broken files as far as they can be understood.
 */
export interface ComposeSources {
  /** The project's compose files, and those they include or extend; absolute, each once, there or not. */
  files: string[];
  /** Env files and label files that services and includes name (their own `.env` too); absolute, there or not. */
  envFiles: string[];
  /** Files of `configs:` and `secrets:`; absolute, there or not. */
  resourceFiles: string[];
  /** Variables whose value comes from outside: interpolated ones, and bare names that pass the shell's value on. */
  variables: string[];
  /** Services before interpolation, overrides merged in order. */
  services: Record<string, ServiceTemplate>;
  /** The values that env files and the environment give today. */
  lookup: Lookup;
}

/** Never throws for what is inside the files. */
export async function readComposeFiles(
  project: Pick<Project, 'name' | 'directory' | 'files' | 'envFiles'>,
  env: Record<string, string | undefined>,
): Promise<ComposeSources> {
  const envFiles =
    project.envFiles.length > 0 ? project.envFiles.toReversed() : [join(project.directory, '.env')];
  const outer = await environmentOf({ env }, envFiles);
  // Compose sets this one itself.
  const lookup: Lookup = (name) => (name === 'COMPOSE_PROJECT_NAME' ? project.name : outer(name));
  const reader = new Reader(lookup);
  for (const file of project.files) await reader.readFile(file, project.directory);
  for (const file of [...envFiles, ...reader.envFiles]) await reader.readEnvFile(file);
  return {
    files: [...reader.files],
    envFiles: [...reader.envFiles],
    resourceFiles: [...reader.resourceFiles],
    variables: [...reader.variables].filter((name) => name !== 'COMPOSE_PROJECT_NAME').toSorted(),
    services: Object.fromEntries(reader.services),
    lookup,
  };
}

class Reader {
  readonly files = new Set<string>();
  readonly envFiles = new Set<string>();
  readonly resourceFiles = new Set<string>();
  readonly variables = new Set<string>();
  readonly services = new Map<string, ServiceTemplate>();
  readonly lookup: Lookup;
  readonly #included = new Set<string>();
  readonly #documents = new Map<string, Promise<unknown[]>>();

  constructor(lookup: Lookup) {
    this.lookup = lookup;
  }

  /** One compose file with everything in it; `directory` is where its relative paths start. */
  async readFile(file: string, directory: string): Promise<void> {
    const visit = `${file}\0${directory}`;
    if (this.#included.has(visit)) return;
    this.#included.add(visit);
    for (const document of await this.#documentsOf(file)) {
      for (const include of listOf(fieldOf(document, 'include')))
        await this.#readInclude(include, file, directory);
      for (const name of Object.keys(recordOf(fieldOf(document, 'services')))) {
        const template = this.services.get(name) ?? emptyTemplate();
        this.services.set(name, template);
        await this.#readService(template, { file, name, directory });
      }
      this.#readResources(document, directory);
    }
  }

  /** Env files are interpolated too: what they use and do not set comes from the shell. */
  async readEnvFile(file: string): Promise<void> {
    const text = (await readText(file)) ?? '';
    const set = new Set(
      [...text.matchAll(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*[=:]/gm)].map(([, name]) => name),
    );
    const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
    const bare = lines.map((line) => line.trim()).filter((line) => /^[A-Za-z_]\w*$/.test(line));
    const used = [...bare, ...lines.flatMap((line) => variablesIn(line))];
    for (const name of used) if (!set.has(name)) this.variables.add(name);
  }

  async #documentsOf(file: string): Promise<unknown[]> {
    this.files.add(file);
    const known = this.#documents.get(file);
    if (known) return known;
    const reading = this.#parse(file);
    this.#documents.set(file, reading);
    return reading;
  }

  async #parse(file: string): Promise<unknown[]> {
    const text = await readText(file);
    if (text === undefined) return [];
    const { documents } = await parseYaml(text);
    for (const name of variablesIn(documents)) this.variables.add(name);
    return documents;
  }

  async #readInclude(include: unknown, file: string, directory: string): Promise<void> {
    const paths = typeof include === 'string' ? [include] : this.#paths(fieldOf(include, 'path'));
    const bases = [directory, dirname(file)];
    const files = await Promise.all(paths.map((path) => firstThere(this.#render(path), bases)));
    const [first] = files;
    if (first === undefined) return;
    const named = textOf(fieldOf(include, 'project_directory'));
    const start = named === undefined ? dirname(first) : resolve(directory, this.#render(named));
    const envFiles = this.#paths(fieldOf(include, 'env_file'));
    if (envFiles.length === 0) this.envFiles.add(join(start, '.env'));
    for (const path of envFiles) this.envFiles.add(resolve(directory, this.#render(path)));
    for (const path of files) await this.readFile(path, start);
  }

  async #readService(template: ServiceTemplate, at: ServicePlace, passed: string[] = []): Promise<void> {
    const visit = `${at.file}\0${at.name}`;
    if (passed.includes(visit)) return;
    for (const document of await this.#documentsOf(at.file)) {
      const service = fieldOf(fieldOf(document, 'services'), at.name);
      const base = await this.#baseOf(fieldOf(service, 'extends'), at);
      if (base) await this.#readService(template, base, [...passed, visit]);
      addTemplate(template, service);
      for (const key of ['env_file', 'label_file']) {
        for (const path of this.#paths(fieldOf(service, key))) {
          this.envFiles.add(resolve(at.directory, this.#render(path)));
        }
      }
      for (const name of template.passedOn) this.variables.add(name);
    }
  }

  /** Where the service that is extended stands. */
  async #baseOf(extending: unknown, at: ServicePlace): Promise<ServicePlace | undefined> {
    if (typeof extending === 'string') return { ...at, name: extending };
    const name = textOf(fieldOf(extending, 'service'));
    if (name === undefined) return undefined;
    const path = textOf(fieldOf(extending, 'file'));
    if (path === undefined) return { ...at, name };
    const file = await firstThere(this.#render(path), [at.directory, dirname(at.file)]);
    return { file, name, directory: dirname(file) };
  }

  #readResources(document: unknown, directory: string): void {
    for (const section of ['configs', 'secrets']) {
      for (const resource of Object.values(recordOf(fieldOf(document, section)))) {
        const file = textOf(fieldOf(resource, 'file'));
        if (file !== undefined) this.resourceFiles.add(resolve(directory, this.#render(file)));
        const variable = textOf(fieldOf(resource, 'environment'));
        if (variable !== undefined) this.variables.add(variable);
      }
    }
  }

  /** `a`, `[a, b]`, `[{ path: a, required: false }]`. */
  #paths(value: unknown): string[] {
    return listOf(value).flatMap((one) => textOf(one) ?? textOf(fieldOf(one, 'path')) ?? []);
  }

  #render(text: string): string {
    return interpolate(text, this.lookup);
  }
}

interface ServicePlace {
  file: string;
  name: string;
  directory: string;
}

/** Compose v2 looks from the project's directory, v1 from the file's own. */
async function firstThere(path: string, directories: string[]): Promise<string> {
  const places = directories.map((directory) => resolve(directory, path));
  for (const place of places) if ((await look(place)) !== undefined) return place;
  return places[0] ?? path;
}
