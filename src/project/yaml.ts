import { readFile } from 'node:fs/promises';
import { messageOf } from '../model/errors.js';
import { hasCode, isDenied, isMissing } from './paths.js';

/** YAML as people write it, read without ever failing: what cannot be parsed is explained beside what could. */

export interface YamlText {
  /** One value a document. */
  documents: unknown[];
  /** What the parser found wrong, on one line. */
  error: string | undefined;
}

/** Repeated aliases of an honest file; a "billion laughs" has more. */
const MAX_ALIASES = 10_000;

/** The library takes 30 ms to load: only called when a file must really be understood. */
export async function parseYaml(text: string): Promise<YamlText> {
  const { default: yaml } = await import('yaml');
  const documents: unknown[] = [];
  let error: string | undefined;
  try {
    // Unknown tags (compose's !reset and !override) are warnings to the library, and kept silent.
    const parsed = yaml.parseAllDocuments(text, { merge: true, logLevel: 'silent' });
    for (const document of Array.isArray(parsed) ? parsed : []) {
      error ??= document.errors[0]?.message.split('\n')[0];
      documents.push(document.toJS({ maxAliasCount: MAX_ALIASES }));
    }
  } catch (thrown) {
    // Exploding aliases, nesting deeper than the stack, a merge of what is no map, a tag that does not fit: the library has no type of its own
    // for them, and nothing but the library runs in here.
    if (!(thrown instanceof Error)) throw thrown;
    error ??= messageOf(thrown);
  }
  return { documents, error };
}

/** The text of a file; undefined when there is none that we may read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    if (isMissing(error) || isDenied(error) || hasCode(error, 'EISDIR')) return undefined;
    throw error;
  }
}

/**
 * The top-level `key: value` of a YAML text, found without the library when it is written plainly. The last one wins; lists and
 * maps count as nothing.
 */
export async function topLevelText(text: string, key: string): Promise<string | undefined> {
  const mentioned = new RegExp(`^["']?${key}["']?[ \\t]*:|^\\s*\\{`, 'm');
  if (!mentioned.test(text)) return undefined;
  const plain = [
    ...text.matchAll(new RegExp(`^${key}:[ \\t]+(["']?)([\\w./-]+)\\1[ \\t]*(?:#.*)?\\r?$`, 'gm')),
  ];
  const [only] = plain;
  const mentions = text.match(new RegExp(mentioned.source, 'gm')) ?? [];
  if (only?.[2] !== undefined && mentions.length === 1 && !looksTyped(only[2], only[1])) return only[2];
  const values = (await parseYaml(text)).documents.map((document) => fieldOf(document, key));
  return values.map(scalarText).findLast((value) => value !== undefined);
}

/** `name: 12` and `name: true` are no text to YAML. */
function looksTyped(value: string, quote: string | undefined): boolean {
  return quote === '' && /^(?:[-.\d].*|true|false|null|yes|no|on|off|~)$/i.test(value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fieldOf(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

/** A list of what is a list, a single thing, or nothing. */
export function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** Text, numbers and booleans as compose writes them into environments. */
export function scalarText(value: unknown): string | undefined {
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isScalar ? String(value) : undefined;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
