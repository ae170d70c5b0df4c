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
  /** For messages: `rollback.yaml`, `x-rollback in compose.yaml`, `the labels of service api`. */
  where: string;
  value: unknown;
}

/** Throws `config-invalid` with the file, the key and what is allowed. Labels are read from the model. */
export async function readConfig(project: Place, model?: ComposeModel): Promise<Config> {
  const { configSchema } = await import('../model/config.js'); // not at the top: `list` loads this module for readBackupDir
  const sources = [...(await fileSources(project)), ...(await labelSources(model))];
  for (const source of sources) {
    const result = configSchema.safeParse(source.value);
    if (!result.success) throw invalid(source, result.error.issues, configSchema);
  }
  return configSchema.parse(sources.map(({ value }) => value).reduce(merge, {}));
}

/**
 * Where the settings put the backup directory, absolute; undefined when they do not say. Loads the YAML library only when the line
 * is not plainly there. Throws `config-invalid` for a broken `rollback.yaml`, as `readConfig` does.
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
    if (error !== undefined) throw notYaml(own.file, error);
    sources.push({ where: own.file, value: documents[0] ?? {} });
  }
  for (const file of project.files) {
    const text = await readText(file);
    if (!text?.includes(EXTENSION)) continue;
    const value = await extensionOf(text);
    if (value !== undefined) sources.push({ where: `${EXTENSION} in ${basename(file)}`, value });
  }
  return sources;
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
async function labelSources(model: ComposeModel | undefined): Promise<Source[]> {
  const sources: Source[] = [];
  for (const [service, { labels }] of Object.entries(model?.services ?? {})) {
    const ours = Object.entries(labels).filter(([name]) => name.startsWith(LABEL_PREFIX));
    if (ours.length === 0) continue;
    const settings: Record<string, unknown> = {};
    for (const [name, text] of ours) {
      const key = name.slice(LABEL_PREFIX.length);
      const value = (await parseYaml(text)).documents[0];
      settings[key] =
        key === 'needs' && !Array.isArray(value) ? text.split(',').map((one) => one.trim()) : value;
    }
    sources.push({ where: `the labels of service ${service}`, value: { services: { [service]: settings } } });
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
