import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf, RollbackError } from '../model/errors.js';
import { POINT_ID, quoted } from '../model/names.js';
import type { BackupDir } from './backup-dir.js';
import { explained, lstatIfThere, parseJson, readRegular, replaceFile } from './files.js';
import { acquireLock } from './lock.js';
import { SEALED_FILE } from './point-files.js';
import { ownMark } from './process.js';
import {
  cannotDecrypt,
  isGiven,
  type KeyAccess,
  linesOf,
  readPassphrase,
  userDecrypter,
} from './user-key.js';

/** Who shall be able to decrypt, as the settings say. */
export interface EncryptionSettings {
  recipients: readonly string[];
  /** Absolute; one recipient a line. */
  recipientsFile?: string | undefined;
  passphrase: boolean;
}

const FORMAT = 1;
/** Memory to guess a passphrase with: 128 MiB, which small machines still have. */
const SCRYPT_LOG_N = 17;

const publicSchema = z.object({
  format: z.literal(FORMAT),
  /** Everything that is stored is encrypted for it. */
  recipient: z.string().regex(/^age1[0-9a-z]+$/),
  /** Who can open the private half: what the settings said when it was wrapped. */
  wrapped_for: z.union([z.literal('passphrase'), z.array(z.string())]),
});

type PublicHalf = z.infer<typeof publicSchema>;
type WrappedFor = PublicHalf['wrapped_for'];

/**
 * The key of a backup directory: an X25519 pair, made on first use. `store-key.json` is its public half, all that writing needs; `store-key.age`
 * the private one, wrapped with age for the user's recipients or passphrase.
 */
export class StoreKey {
  #identity: Promise<string> | undefined;

  constructor(
    private readonly backupDir: BackupDir,
    private readonly access: KeyAccess,
  ) {}

  /** Whether the user gave anything to decrypt with. */
  get atHand(): boolean {
    return isGiven(this.access);
  }

  /** The private half. Throws `cannot-decrypt`; `damaged` when its file is not what was written. */
  identity(): Promise<string> {
    return (this.#identity ??= this.#unwrap());
  }

  /** The public half of a key that was made. Throws `damaged` when it is lost. */
  async recipient(): Promise<string> {
    const half = await this.#read();
    if (half) return half.recipient;
    throw lost(this.backupDir.publicKeyFile);
  }

  /**
   * The public half, to write with: made on first use. When the settings have changed since, it is wrapped again as they say, if it can be
   * opened; else `warn` is told. Throws `config-invalid`, `cannot-decrypt` without the passphrase that shall protect it, `damaged`.
   */
  async prepare(settings: EncryptionSettings, warn: (message: string) => void): Promise<string> {
    const half = await this.#readIfWrapped();
    if (!half) return await this.#make(settings);
    try {
      await this.#followSettings(half, settings);
    } catch (error) {
      if (!(error instanceof RollbackError)) throw error;
      warn(
        `points are still encrypted ${describe(half.wrapped_for)}, not as the settings say now: ${error.message}; ` +
          'the next command that writes and is given the earlier key changes that',
      );
    }
    return half.recipient;
  }

  async #make(settings: EncryptionSettings): Promise<string> {
    const wrap = await wrapper(settings, this.access);
    const lock = await this.#lock();
    try {
      const made = await this.#readIfWrapped();
      if (made) return made.recipient;
      const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
      const identity = await generateX25519Identity();
      const half = { format: FORMAT, recipient: await identityToRecipient(identity) } as const;
      // In this order: one without the private half is no key yet.
      await this.#write({ ...half, wrapped_for: wrap.for });
      await this.#writeWrapped(await wrap.wrap(identity));
      return half.recipient;
    } finally {
      await lock.release();
    }
  }

  async #followSettings(half: PublicHalf, settings: EncryptionSettings): Promise<void> {
    const wanted = await wantedBy(settings);
    if (JSON.stringify(wanted) === JSON.stringify(half.wrapped_for)) return;
    const identity = await this.identity();
    const { wrap } = await wrapper(settings, this.access);
    const lock = await this.#lock();
    try {
      await this.#writeWrapped(await wrap(identity));
      await this.#write({ ...half, wrapped_for: wanted });
    } finally {
      await lock.release();
    }
  }

  /** Two projects may share the directory: only one key is made. */
  #lock() {
    return acquireLock({ engineId: 'store-key', project: this.backupDir.path, command: 'making its key' });
  }

  async #unwrap(): Promise<string> {
    const half = await this.#read();
    if (!half) throw lost(this.backupDir.publicKeyFile);
    const decrypter = await userDecrypter(this.access);
    const wrapped = await this.#readWrapped();
    if (!wrapped) throw lost(this.backupDir.privateKeyFile);
    let identity: string;
    try {
      identity = await decrypter.decrypt(wrapped, 'text');
    } catch (error) {
      if (!messageOf(error).startsWith('no identity matched')) {
        throw damagedKey(this.backupDir.privateKeyFile);
      }
      throw cannotDecrypt(
        `the key that was given does not open the points: they are encrypted ${describe(half.wrapped_for)}`,
      );
    }
    const { identityToRecipient } = await import('age-encryption');
    if ((await identityToRecipient(identity)) === half.recipient) return identity;
    throw damagedKey(this.backupDir.publicKeyFile);
  }

  /** The public half when its private one is there: killed between the two, there is no key yet. */
  async #readIfWrapped(): Promise<PublicHalf | undefined> {
    const { publicKeyFile, privateKeyFile } = this.backupDir;
    const half = await this.#read();
    const wrapped = (await lstatIfThere(privateKeyFile)) !== undefined;
    if (half && wrapped) return half;
    if (wrapped) throw lost(publicKeyFile);
    if (half && (await holdsSealed(this.backupDir))) throw lost(privateKeyFile);
    return undefined;
  }

  async #read(): Promise<PublicHalf | undefined> {
    const bytes = await readIfThere(this.backupDir.publicKeyFile);
    if (!bytes) return undefined;
    const { success, data } = publicSchema.safeParse(parseJson(bytes.toString('utf8')));
    if (success) return data;
    throw damagedKey(this.backupDir.publicKeyFile);
  }

  #readWrapped(): Promise<Buffer | undefined> {
    return readIfThere(this.backupDir.privateKeyFile);
  }

  async #write(half: PublicHalf): Promise<void> {
    await this.#replace(this.backupDir.publicKeyFile, `${JSON.stringify(half, null, 2)}\n`);
  }

  async #writeWrapped(wrapped: Uint8Array): Promise<void> {
    await this.#replace(this.backupDir.privateKeyFile, wrapped);
  }

  async #replace(file: string, data: string | Uint8Array): Promise<void> {
    const beside = join(this.backupDir.path, `.tmp-store-key-${await ownMark()}`);
    await explained('store the key', () => replaceFile(file, data, beside));
  }
}

/** Who shall open it, and how it is wrapped for them. */
async function wrapper(
  settings: EncryptionSettings,
  access: KeyAccess,
): Promise<{ for: WrappedFor; wrap: (identity: string) => Promise<Uint8Array> }> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  const wanted = await wantedBy(settings);
  if (wanted === 'passphrase') {
    const passphrase = await readPassphrase(access);
    if (passphrase === undefined)
      throw cannotDecrypt('the settings ask for a passphrase, and none was given');
    encrypter.setPassphrase(passphrase);
    encrypter.setScryptWorkFactor(SCRYPT_LOG_N);
  } else {
    for (const recipient of wanted) addRecipient(encrypter, recipient);
  }
  return { for: wanted, wrap: (identity) => encrypter.encrypt(identity) };
}

function addRecipient(encrypter: { addRecipient(text: string): void }, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (error) {
    throw invalid(`${quoted(recipient)} is no age recipient`, error);
  }
}

async function wantedBy({ recipients, recipientsFile, passphrase }: EncryptionSettings): Promise<WrappedFor> {
  const listed = recipientsFile === undefined ? [] : await readRecipients(recipientsFile);
  const all = [...new Set([...recipients, ...listed])].toSorted();
  if (passphrase && all.length > 0)
    throw invalid('recipients and a passphrase are given: one of them is meant');
  if (passphrase) return 'passphrase';
  if (all.length === 0) throw invalid('neither recipients nor a passphrase are given');
  return all;
}

async function readRecipients(file: string): Promise<string[]> {
  try {
    return linesOf(await readFile(file, 'utf8'));
  } catch (error) {
    throw invalid(`recipients_file: ${messageOf(error)}`, error);
  }
}

function invalid(problem: string, cause?: unknown): RollbackError {
  return new RollbackError('config-invalid', `encryption: ${problem}`, {
    hint: 'correct encryption: in rollback.yaml; nothing was stored',
    cause,
  });
}

function describe(wrapped: WrappedFor): string {
  return wrapped === 'passphrase' ? 'with a passphrase' : `for ${wrapped.map(shortened).join(', ')}`;
}

/** Recipients are public, and some are two thousand characters long. */
const shortened = (recipient: string) => (recipient.length > 70 ? `${recipient.slice(0, 60)}…` : recipient);

async function holdsSealed(backupDir: BackupDir): Promise<boolean> {
  const ids = (await readdir(backupDir.path)).filter((name) => POINT_ID.test(name));
  for (const id of ids) if (await lstatIfThere(join(backupDir.pointDir(id), SEALED_FILE))) return true;
  return false;
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  return (await lstatIfThere(file)) ? await readRegular(file) : undefined;
}

function lost(file: string): RollbackError {
  return new RollbackError('damaged', `${quoted(file)} is lost: encrypted points need it`, {
    hint: 'bring it back from a copy of the backup directory',
  });
}

function damagedKey(file: string): RollbackError {
  return new RollbackError('damaged', `${quoted(file)} is damaged: it is not the key that was written`, {
    hint: 'bring store-key.json and store-key.age back from a copy of the backup directory',
  });
}
