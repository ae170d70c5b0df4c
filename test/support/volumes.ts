import { once } from 'node:events';
import { createReadStream, createWriteStream, openSync } from 'node:fs';
import { link, lutimes, mkdir, mkdtemp, open, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import type { Contents, Place, VolumeReader } from '../../src/volumes/driver.js';
import type { Compression } from '../../src/model/point.js';
import { HostDriver } from '../../src/volumes/host.js';
import { isMissing } from './needs.js';

/** Data in directories for the volume drivers, and what is there by the words of other programs than ours. */

export const RUN = 'run-0123456789ab';
/** For tests that any compression will do for. */
export const COMPRESSION: Compression = isMissing('zstd') ? 'gzip' : 'zstd';
export const never = new AbortController().signal;

/** A temporary folder, without symbolic links on the way; gone when the test ends. */
export async function scratch(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'volumes-')));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export function bindPlace(path: string): Place {
  return { kind: 'bind', name: './data', path };
}

/** A directory with these files, gone when the test ends. */
export async function placeWith(files: Record<string, string>): Promise<Place> {
  const path = join(await scratch(), '_data');
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return bindPlace(path);
}

/** Runs a program; its stdout as bytes, one character each. Throws with its stderr when it fails. */
export async function tool(cwd: string, ...argv: string[]): Promise<string> {
  const [file = '', ...args] = argv;
  const { stdout } = await execa(file, args, {
    cwd,
    encoding: 'buffer',
    stdin: 'ignore',
    env: { LC_ALL: 'C' },
  });
  return Buffer.from(stdout).toString('latin1');
}

/** A name of any bytes inside `directory`. */
export function inside(directory: string, name: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]);
}

export const NOT_UTF8 = Buffer.from('caf\xe9', 'latin1');

/** One of everything that a volume may hold, sockets and pipes included. */
export async function fill(path: string): Promise<void> {
  const at = (name: string | Buffer) => inside(path, name);
  const deep = Array.from({ length: 60 }, (_, level) => `level-${level}`).join('/');
  const long = 'n'.repeat(250);
  for (const name of ['empty', 'set', `wide/${long}`, deep, 'closed'])
    await mkdir(at(name), { recursive: true });
  const notUtf8 = Buffer.concat([NOT_UTF8, Buffer.from('-'.repeat(180))]);
  await mkdir(at(notUtf8));
  const files: [string | Buffer, string | Buffer][] = [
    ['plain', 'plain\n'],
    ['zero', ''],
    ['binary', Buffer.from(Array.from({ length: 70_001 }, (_, byte) => (byte * 7) % 256))],
    ['new\nline', 'n'],
    ['-rf', 'dash'],
    ['--checkpoint-action=exec=false', 'dash'],
    ['*?[a]', 'pattern'],
    ['back\\slash "quoted"', 'q'],
    [NOT_UTF8, 'latin1'],
    [Buffer.concat([notUtf8, Buffer.from('/'), notUtf8]), 'long latin1'],
    ['grüße-日本', 'utf-8'],
    [`wide/${long}/${long}`, 'long'],
    [`${deep}/end`, 'deep'],
    ['exactly-512', Buffer.alloc(512, 1)],
    ['set/uid', 'x'],
    ['set/owned', 'x'],
    ['closed/secret', 's'],
    ['other-name-1', 'linked'],
  ];
  for (const [name, data] of files) await writeFile(at(name), data);
  await link(at('other-name-1'), at('other-name-2'));
  await link(at('other-name-1'), at(`wide/${long}/other-name-3`));
  for (const [name, target] of [
    ['to-plain', 'plain'],
    ['dangling', 'nothing/there'],
    ['absolute', '/etc/passwd'],
    ['upwards', '../../../etc'],
    ['to-directory', 'empty'],
    ['long-target', 't/'.repeat(150)],
  ] as const) {
    await symlink(target, at(name));
    await lutimes(at(name), 1_500_000_000, 1_500_000_000);
  }
  await symlink(NOT_UTF8, at('to-latin1'));
  await tool(path, 'truncate', '--size=20M', 'sparse');
  await writeFile(at('sparse'), 'data behind a hole', { flag: 'a' });
  await tool(path, 'mkfifo', 'pipe');
  // Owners before modes: a change of owner takes set-id bits away.
  await tool(path, 'chown', '999:998', 'set/owned', 'set', 'other-name-1');
  await tool(path, 'chown', '-h', '4000000000:70000', 'dangling', 'empty');
  for (const [mode, name] of [
    ['4755', 'set/uid'],
    ['2640', 'set/owned'],
    ['3775', 'set'],
    ['0000', 'closed/secret'],
    ['0111', 'closed'],
    ['0600', 'plain'],
  ] as const) {
    await tool(path, 'chmod', mode, name);
  }
  await tool(path, 'touch', '-d', '1975-01-02 03:04:05.000000000Z', 'zero');
  await tool(path, 'touch', '-d', '2038-01-20 03:04:05.000000000Z', 'binary', 'empty');
  await tool(path, 'chown', '70:71', '.');
  await tool(path, 'chmod', '2750', '.');
}

/** Attributes, lists and fractions of seconds that only some drivers keep. */
export async function adorn(path: string): Promise<void> {
  await tool(path, 'setfattr', '-n', 'user.note', '-v', 'a "note"', 'plain');
  await tool(path, 'setfattr', '-n', 'user.binary', '-v', '0x00ff0a', 'set');
  await tool(path, 'setfattr', '-n', 'trusted.note', '-v', 'kept', 'zero');
  await tool(path, 'setfacl', '-m', 'u:1234:rw', 'plain');
  await tool(path, 'setfacl', '-d', '-m', 'g:777:rx', 'empty');
  await tool(path, 'touch', '-d', '2024-05-06 07:08:09.123456789Z', 'plain', 'set');
}

/** A socket in a directory, for as long as the test runs. */
export async function openSocket(path: string): Promise<void> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
}

export interface Detail {
  /** Extended attributes, access control lists, fractions of seconds. */
  fine: boolean;
}

/** All that is in a directory, itself included, by `find`, `sha256sum` and `getfattr`; sockets and pipes left out. Sorted lines. */
export async function everything(path: string, { fine }: Detail): Promise<string[]> {
  const facts = String.raw`%y %m %U %G %T@ <%l> %P\0`;
  const files = String.raw`%y %m %U %G %T@ %n %s %P\0`;
  const found = await tool(path, ...findWith(files, facts));
  const sums = await tool(path, 'find', '.', '-type', 'f', '-exec', 'sha256sum', '--zero', '--', '{}', '+');
  const links = await tool(path, 'find', '.', '-type', 'f', '-links', '+1', '-printf', String.raw`%i %P\0`);
  const rounded = fine ? found : found.replaceAll(/(?<= \d+)\.\d{10}(?= )/g, '');
  const plain = ['find', '.', '(', '-type', 'f', '-o', '-type', 'd', ')', '-exec'];
  const attributes = fine
    ? [
        await tool(path, ...plain, 'getfattr', '-hd', '-m', '-', '--absolute-names', '{}', '+'),
        await tool(path, ...plain, 'getfacl', '-np', '{}', '+'),
      ]
    : [];
  const lines = [...rounded.split('\0'), ...sums.split('\0'), ...groups(links)];
  return [
    ...lines,
    ...attributes.flatMap((text) => text.split('\n\n').map((block) => block.trim())),
  ].toSorted();
}

function findWith(files: string, others: string): string[] {
  const other = ['(', '-type', 'd', '-o', '-type', 'l', ')'];
  return ['find', '.', '-type', 'f', '-printf', files, '-o', ...other, '-printf', others];
}

/** Which names are one file, whatever its inode. */
function groups(links: string): string[] {
  const byInode = new Map<string, string[]>();
  for (const line of links.split('\0').filter((text) => text !== '')) {
    const [inode = '', ...name] = line.split(' ');
    byInode.set(inode, [...(byInode.get(inode) ?? []), name.join(' ')]);
  }
  return [...byInode.values()].map((names) => `one file: ${names.toSorted().join(' = ')}`);
}

/** Archives a place into a file, in the way that points do; what was told of it. */
export async function archiveTo(
  file: string,
  driver: VolumeReader,
  place: Place,
  compression: Compression,
): Promise<Contents> {
  if (driver instanceof HostDriver) {
    await using into = await open(file, 'w');
    return await driver.archiveInto(into, place, { compression, signal: never });
  }
  const { stream, contents } = await driver.archive(place, { compression, signal: never });
  await pipeline(stream, createWriteStream(file));
  return await contents;
}

/** Open from the start, as a store hands its files out. */
export function reading(file: string) {
  return createReadStream('', { fd: openSync(file, 'r') });
}
