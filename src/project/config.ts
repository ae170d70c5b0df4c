import { basename, join, resolve } from 'node:path';
import type * as z from 'zod';
import type { ComposeModel } from '../model/compose.js';
import type { Config } from '../model/config.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Project } from '../model/project.js';
import { fieldOf, isRecord, parseYaml, readText, topLevelText } from './yaml.js';

/** The user's settings: `rollback.yaml`, `x-rollback:` in compose files, `rollback.*` labels; later wins. */

const CONFIG_FILES = ['rollback.yaml', 'rollback.yml'];
const EXTENSION = 'x-rollback';
const LABEL_PREFIX = 'rollback.';

type Place = Pick<Project, 'directory' | 'files'>;

/** Settings as one place gave them. */
interface Source {
  /** For messages: `rollback.yaml`, `x-rollback in compose.yaml`, `label rollback.port of service api`. */
  where: string;
  value: unknown;
  /** Why there is no value: the file is no YAML. */
  error?: string | undefined;
}

interface LabelSource extends Source {
  service: string;
  key: string;
}

/** Settings that make no sense and are left out. */
export interface SettingsProblem {
  message: string;
  /** The file cannot be read at all, and nothing is left of its settings. */
  isUnreadable: boolean;
}

/**
 * The settings of the files.
 * @param report takes what makes no sense and is left out; without it that is thrown as `config-invalid` with the file, the key and what is allowed
 */
export async function readConfig(
  project: Place,
  report?: (problem: SettingsProblem) => void,
): Promise<Config> {
  const { configSchema } = await import('../model/config.js'); // not at the top: `list` loads this module for readBackupDir
  const values = (await fileSources(project)).map((source) => {
    const isUnreadable = source.error !== undefined;
    const { valid, problem } = isUnreadable
      ? { valid: {}, problem: notYaml(source.where, source.error ?? '') }
      : validPart(source, configSchema);
    if (problem && !report) throw problem;
    if (problem) report?.({ message: leftOut(problem), isUnreadable });
    return valid;
  });
  return configSchema.parse(values.reduce(merge, {}));
}

/**
 * The settings of services, with what their labels add. Labels of that prefix are not ours alone: one that makes no sense is left out.
 * @param report takes what is left out
 */
export async function readLabels(
  services: Config['services'],
  model: ComposeModel,
  report: (message: string) => void,
): Promise<Config['services']> {
  const { configSchema } = await import('../model/config.js');
  const result = { ...services };
  for (const { service, key, ...source } of await labelSources(model)) {
    const { valid, problem } = validPart(source, configSchema);
    if (problem) report(leftOut(problem));
    const read = problem ? undefined : configSchema.parse(valid).services[service];
    if (!read) continue;
    const setting = Object.fromEntries(Object.entries(read).filter(([name]) => name === key));
    const known = Object.hasOwn(result, service) ? result[service] : undefined;
    result[service] = known ? { ...known, ...setting } : read;
  }
  return result;
}

/** The settings that a text gives, as far as they make sense. */
export async function parseConfig(text: string): Promise<Config> {
  const { configSchema } = await import('../model/config.js');
  const { documents } = await parseYaml(text);
  const source = { where: 'rollback.yaml', value: documents[0] ?? {} };
  return configSchema.parse(validPart(source, configSchema).valid);
}

const leftOut = ({ message, details }: RollbackError) =>
  `${[message, ...details].join('; ')}; it is left out`;

/** The value without what the schema refuses, and what that is. */
function validPart(
  source: Source,
  schema: z.ZodType,
): { valid: unknown; problem: RollbackError | undefined } {
  let problem: RollbackError | undefined;
  let valid = source.value;
  for (;;) {
    const result = schema.safeParse(valid);
    if (result.success) return { valid, problem };
    problem ??= invalid(source, result.error.issues, schema);
    valid = result.error.issues.reduce(withoutIssue, valid);
  }
}

function withoutIssue(value: unknown, issue: Issue): unknown {
  if (issue.code !== 'unrecognized_keys') return without(value, issue.path);
  return issue.keys.reduce((rest, key) => without(rest, [...issue.path, key]), value);
}

/** A list with something wrong in it goes as a whole, and so does what is no map at all. */
function without(value: unknown, [key, ...path]: PropertyKey[]): unknown {
  if (!isRecord(value) || typeof key !== 'string' || !Object.hasOwn(value, key)) return {};
  const { [key]: inner, ...rest } = value;
  if (path.length === 0 || !isRecord(inner)) return rest;
  return { ...rest, [key]: without(inner, path) };
}

/**
 * Where the settings put the backup directory, absolute; undefined when they do not say. Loads the YAML library only when the line
 * is not plainly there.
 */
export async function readBackupDir(project: Place): Promise<string | undefined> {
  const own = await readOwnFile(project.directory);
  let told: string | undefined;
  if (own?.text.includes('backup_dir')) told = await topLevelText(own.text, 'backup_dir');
  for (const file of project.files) {
    const text = await readText(file);
    if (!text?.includes(EXTENSION) || !text.includes('backup_dir')) continue;
    const value = fieldOf(await extensionOf(text), 'backup_dir');
    if (typeof value === 'string') told = value;
  }
  return told === undefined ? undefined : resolve(project.directory, told);
}

async function fileSources(project: Place): Promise<Source[]> {
  const sources: Source[] = [];
  const own = await readOwnFile(project.directory);
  if (own) {
    const { documents, error } = await parseYaml(own.text);
    sources.push({ where: own.file, value: documents[0] ?? {}, error });
  }
  for (const file of project.files) {
    const text = await readText(file);
    if (!text?.includes(EXTENSION)) continue;
    const value = await extensionOf(text);
    if (value !== undefined) sources.push({ where: `${EXTENSION} in ${basename(file)}`, value });
  }
  return sources;
}

/** The settings file as it is; null without one. */
export async function readSettingsText(directory: string): Promise<string | null> {
  return (await readOwnFile(directory))?.text ?? null;
}

async function readOwnFile(directory: string): Promise<{ file: string; text: string } | undefined> {
  for (const file of CONFIG_FILES) {
    const text = await readText(join(directory, file));
    if (text !== undefined) return { file, text };
  }
  return undefined;
}

/** A compose file that does not parse says what can be read of it: a broken present never blocks. */
async function extensionOf(text: string): Promise<unknown> {
  const { documents } = await parseYaml(text);
  return documents.map((document) => fieldOf(document, EXTENSION)).findLast((value) => value !== undefined);
}

/** `rollback.port: "8080"`: what follows the dot is a key of the service's settings, its value is YAML. */
async function labelSources(model: ComposeModel): Promise<LabelSource[]> {
  const sources: LabelSource[] = [];
  for (const [service, { labels }] of Object.entries(model.services)) {
    for (const [name, text] of Object.entries(labels)) {
      if (!name.startsWith(LABEL_PREFIX)) continue;
      const key = name.slice(LABEL_PREFIX.length);
      const read = (await parseYaml(text)).documents[0];
      const value = key === 'needs' && !Array.isArray(read) ? text.split(',').map((one) => one.trim()) : read;
      const where = `label ${quoted(name)} of service ${service}`;
      sources.push({ where, service, key, value: { services: { [service]: { [key]: value } } } });
    }
  }
  return sources;
}

/** Maps are merged key by key, everything else is replaced. */
function merge(base: unknown, over: unknown): unknown {
  if (!isRecord(base) || !isRecord(over)) return over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map((key) => [key, Object.hasOwn(over, key) ? merge(base[key], over[key]) : base[key]]),
  );
}

function notYaml(file: string, error: string): RollbackError {
  return new RollbackError('config-invalid', `${file} is not valid YAML: ${error}`, {
    hint: `mend ${file}; nothing was touched`,
  });
}

type Issue = z.core.$ZodIssue;

function invalid(source: Source, issues: Issue[], schema: z.ZodType): RollbackError {
  const lines = issues.map((issue) => describe(issue, [], schema));
  return new RollbackError('config-invalid', `${source.where}: ${lines[0] ?? 'it does not make sense'}`, {
    hint: 'correct it and try again; nothing was touched',
    details: lines.slice(1),
  });
}

function describe(issue: Issue, above: PropertyKey[], schema: z.ZodType): string {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') {
    // The alternative that was meant is the one with the least to complain about.
    const meant = issue.errors.toSorted((a, b) => weight(a) - weight(b))[0]?.[0];
    if (meant) return describe(meant, path, schema);
  }
  const key = path.length === 0 ? 'it' : path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys') return `${key}: ${issue.message}`;
  const unknown = issue.keys.map(quoted).join(', ');
  const allowed = keysAt(schema, path);
  return `${path.length === 0 ? '' : `${key}: `}unknown key ${unknown}${allowed.length > 0 ? `; allowed are ${allowed.join(', ')}` : ''}`;
}

/** Unknown keys show that another alternative was meant, more than any wrong value does. */
function weight(issues: Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 10 : 1), 0);
}

/** The keys that a schema allows at a path, as its JSON Schema tells. */
function keysAt(schema: z.ZodType, path: PropertyKey[]): string[] {
  let at: unknown = schema.toJSONSchema({ io: 'input', unrepresentable: 'any' });
  for (const step of path) {
    const next = fieldOf(fieldOf(at, 'properties'), String(step)) ?? fieldOf(at, 'additionalProperties');
    at = typeof step === 'number' ? fieldOf(at, 'items') : next;
  }
  return Object.keys(fieldOf(at, 'properties') ?? {});
}
