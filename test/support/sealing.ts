import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { vi } from 'vitest';
import type { Point } from '../../src/model/point.js';
import { summaryOfRecord } from '../../src/store/point-files.js';
import type { EncryptionSettings } from '../../src/store/store-key.js';
import { Store } from '../../src/store/store.js';
import { makePoint, pointId, sha256, temporaryDirectory, writePoint } from './store.js';

export interface UserKey {
  /** Path of the identity file. */
  file: string;
  identity: string;
  recipient: string;
}

/** A key pair as `age-keygen -o` makes one, below `folder` or in one that goes when the test ends. */
export async function userKey(folder?: string): Promise<UserKey> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const file = join(folder ?? (await temporaryDirectory()), `${recipient}.txt`);
  await writeFile(file, `# created: today\n# public key: ${recipient}\n${identity}\n`);
  return { file, identity, recipient };
}

export interface Opening {
  settings?: Partial<EncryptionSettings>;
  identityFile?: string;
  env?: Record<string, string>;
  /** What is told goes here. */
  warnings?: string[];
}

/** A store that encrypts as the settings say, opened with what a user gives. Locks are kept apart from everybody else's. */
export async function openSealing(path: string, opening: Opening): Promise<Store> {
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', `${path}-locks`);
  const { settings, identityFile, env = {}, warnings = [] } = opening;
  return await Store.open(path, {
    encryption: settings && { recipients: [], passphrase: false, ...settings },
    access: { identityFile, env },
    warn: (message) => warnings.push(message),
  });
}

const ENV = 'PASSWORD=hunter2-and-more\n';
const CONF = 'a second secret';
const DATA = 'what a volume holds';
/** What `storeSecrets` stores. */
export const SECRETS = { ENV, CONF, DATA };

/** A point with two files and an archive, as use-cases store one. */
export async function storeSecrets(
  into: Store,
  number: number,
  changes: Partial<Point> = {},
): Promise<Point> {
  // So many that the index needs more than a page for them.
  const others = Array.from({ length: 100 }, (_, at) => [`${at}.conf`, sha256(`${at}`)] as const);
  const secret = [['.env', sha256(ENV)] as const, ['app.conf', sha256(CONF)] as const];
  const hashes = Object.fromEntries([
    ...others,
    ...secret,
    ...others.map(([name, hash]) => [`x${name}`, hash]),
  ]);
  const writer = await into.begin(pointId(number), { seal: changes.kind !== 'safety' });
  const archive = await writer.addStream('volumes/data.tar', Readable.from([Buffer.from(DATA)]));
  const kinds = { kind: 'volume', driver: 'host', consistency: 'live' } as const;
  const data = { name: 'data', services: [], ...kinds };
  const more = { compression: 'gzip' as const, entries: 1, bytes: 1, listing: null, skipped: [] };
  const point = await writePoint(
    writer,
    makePoint(number, {
      config_hashes: hashes,
      volume_data: [{ ...data, stored: 'volumes/data.tar', ...archive, ...more }],
      ...changes,
    }),
    { '.env': ENV, 'app.conf': CONF },
  );
  (await into.writeIndex()).insertPoint(summaryOfRecord(await into.readRecord(point.id)));
  return point;
}

/** Which of the secrets, or hashes of them, are anywhere below a directory: in a file's bytes, or in a name. */
export async function traces(directory: string, secrets: string[]): Promise<string[]> {
  const hashes = secrets.map((secret) => createHash('sha256').update(secret).digest());
  const needles = [
    ...secrets.map((secret) => Buffer.from(secret)),
    ...hashes.flatMap((hash) => [
      hash,
      Buffer.from(hash.toString('hex')),
      Buffer.from(hash.toString('base64')),
    ]),
  ];
  const found: string[] = [];
  for (const item of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(item.parentPath, item.name);
    const bytes = item.isFile() ? await readFile(path) : Buffer.alloc(0);
    if (needles.some((needle) => bytes.includes(needle) || path.includes(needle.toString('latin1')))) {
      found.push(path);
    }
  }
  return found;
}
