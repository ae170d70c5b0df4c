import { readFile } from 'node:fs/promises';
import type { Decrypter } from 'age-encryption';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { explained } from './files.js';

/** Where the user's own key is: it opens the store's. */
export interface KeyAccess {
  /** Absolute path of an age identity file. */
  identityFile?: string | undefined;
  env: Record<string, string | undefined>;
}

const HOW =
  'give --identity FILE, or COMPOSE_ROLLBACK_PASSPHRASE_FILE where a passphrase protects the points';

export function cannotDecrypt(problem: string): RollbackError {
  return new RollbackError('cannot-decrypt', problem, { hint: HOW });
}

const identityFileOf = ({ identityFile, env }: KeyAccess) =>
  identityFile ?? (env['COMPOSE_ROLLBACK_IDENTITY'] || undefined);

/** Whether the user gave anything to decrypt with, right or wrong. */
export function isGiven(access: KeyAccess): boolean {
  const { COMPOSE_ROLLBACK_PASSPHRASE: text, COMPOSE_ROLLBACK_PASSPHRASE_FILE: file } = access.env;
  return identityFileOf(access) !== undefined || Boolean(text) || Boolean(file);
}

/** Undefined when none is given. Throws `failed` when its file cannot be read. Its last line break does not belong to it. */
export async function readPassphrase({ env }: KeyAccess): Promise<string | undefined> {
  const file = env['COMPOSE_ROLLBACK_PASSPHRASE_FILE'];
  if (!file) return env['COMPOSE_ROLLBACK_PASSPHRASE'] || undefined;
  const text = (await explained('read the passphrase', () => readFile(file, 'utf8'))).replace(/\r?\n$/, '');
  if (text !== '') return text;
  throw cannotDecrypt(`${quoted(file)} is empty: there is no passphrase in it`);
}

/** What opens files of the user's. Throws `cannot-decrypt` when nothing is given or it makes no sense. */
export async function userDecrypter(access: KeyAccess): Promise<Decrypter> {
  if (!isGiven(access)) throw cannotDecrypt('the points are encrypted, and no key was given');
  const { Decrypter: AgeDecrypter } = await import('age-encryption');
  const decrypter = new AgeDecrypter();
  const file = identityFileOf(access);
  if (file !== undefined) await addIdentities(decrypter, file);
  const passphrase = await readPassphrase(access);
  if (passphrase !== undefined) decrypter.addPassphrase(passphrase);
  return decrypter;
}

async function addIdentities(decrypter: Decrypter, file: string): Promise<void> {
  const text = await explained('read the identity', () => readFile(file, 'utf8'));
  const lines = linesOf(text);
  if (lines.length === 0) throw cannotDecrypt(`${quoted(file)} holds no age identity`);
  for (const line of lines) {
    try {
      decrypter.addIdentity(line);
    } catch {
      // The library's own words would quote the identity.
      throw cannotDecrypt(`${quoted(file)} is no age identity file (lines that start with AGE-SECRET-KEY-)`);
    }
  }
}

/** Lines that say something, in files of identities and recipients. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
