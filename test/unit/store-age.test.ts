import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { array, assert, asyncProperty, uint8Array } from 'fast-check';
import { expect, it } from 'vitest';
import { decrypt, encrypt, NotDecipherable } from '../../src/store/age.js';

const CHUNK = 64 * 1024;
/** Around every place where a chunk begins or ends. */
const SIZES = [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17];

const bytesOf = (size: number) => Buffer.alloc(size, 'some text, again and again. ');
const streamOf = (...chunks: Uint8Array[]) => Readable.from(chunks, { objectMode: true });

async function keyPair() {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

it.each(SIZES)('writes and reads what other age programs read and write: %i bytes', async (size) => {
  const { identity, recipient } = await keyPair();
  const ours = await buffer(encrypt(streamOf(bytesOf(size)), recipient));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  expect(Buffer.from(await decrypter.decrypt(ours)).equals(bytesOf(size))).toBe(true);

  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const theirs = await encrypter.encrypt(bytesOf(size));
  expect((await buffer(decrypt(streamOf(theirs), identity))).equals(bytesOf(size))).toBe(true);
});

it('does not depend on how the bytes are cut', async () => {
  const { identity, recipient } = await keyPair();
  await assert(
    asyncProperty(array(uint8Array({ maxLength: 300 }), { maxLength: 20 }), async (chunks) => {
      const sealed = await buffer(encrypt(streamOf(...chunks), recipient));
      const cut = Array.from({ length: Math.ceil(sealed.length / 7) }, (_, at) =>
        sealed.subarray(at * 7, at * 7 + 7),
      );
      expect(await buffer(decrypt(streamOf(...cut), identity))).toEqual(Buffer.concat(chunks));
    }),
    { numRuns: 30 },
  );
});

it('refuses every changed bit, every other length, and every other key', async () => {
  const { identity, recipient } = await keyPair();
  const sealed = await buffer(encrypt(streamOf(bytesOf(CHUNK + 5)), recipient));
  const refused = (bytes: Uint8Array, key = identity) =>
    expect(buffer(decrypt(streamOf(bytes), key))).rejects.toBeInstanceOf(NotDecipherable);
  for (let at = 0; at < sealed.length; at += at < 300 ? 1 : 997) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await refused(changed);
  }
  // Also where a chunk ends, as if it had been the last.
  const payload = sealed.length - (CHUNK + 5 + 32);
  for (const length of [0, 10, payload - 1, payload, payload + 8, payload + CHUNK + 16, sealed.length - 1]) {
    await refused(sealed.subarray(0, length));
  }
  await refused(Buffer.concat([sealed, Buffer.from('x')]));
  await refused(Buffer.alloc(200_000, 'x'));
  await refused(sealed, (await keyPair()).identity);
});

it('passes on what the source throws', async () => {
  const { recipient } = await keyPair();
  const failing = Readable.from(
    (async function* () {
      yield bytesOf(10);
      throw new Error('the disk is gone');
    })(),
  );
  await expect(buffer(encrypt(failing, recipient))).rejects.toThrow('the disk is gone');
});
