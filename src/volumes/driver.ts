import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Volume } from '../model/engine.js';
import { quoted } from '../model/names.js';
import type { Compression } from '../model/point.js';

/** `none` for what is read at once, and stored nowhere. */
export type Encoding = Compression | 'none';

/** Data of one named volume, or of one bind-mounted directory. */
export type Place = {
  /** The volume's name on the engine; of a directory, as the point records it. */
  name: string;
  /** Where it is on the engine's host, absolute: the volume's mountpoint, or the directory. */
  path: string;
  /** What programs are started through to see the files with the owners that containers see: `podman unshare`, or nothing. */
  through?: readonly string[];
} & ({ kind: 'bind' } | { kind: 'volume'; driver: string; options: Record<string, string> });

export function volumePlace({ name, mountpoint, driver, options }: Volume): Place {
  return { kind: 'volume', name, path: mountpoint, driver, options };
}

/** A program as it has to be started to work on the place. */
export function inside({ through = [] }: Place, ...argv: string[]): string[] {
  return [...through, ...argv];
}

/** What an archive holds. */
export interface Contents {
  /** Entries of all kinds, the directory itself left out. */
  entries: number;
  /** Sum of the sizes of regular files, in bytes. */
  bytes: number;
  /** Sockets, pipes, devices: paths relative to the place, with what is not UTF-8 escaped. */
  skipped: { path: string; reason: string }[];
  /** Hash of the list of files as they were read, see `listPlace`; null where that cannot be told. */
  listing: string | null;
}

export interface ArchiveOptions {
  compression: Encoding;
  /** Ends the work; what was begun is cleaned up. */
  signal: AbortSignal;
  /** Told about how many bytes were read so far, before compression; never less than before. */
  progress?: ((bytes: number) => void) | undefined;
  /** Somebody writes meanwhile: files that change or go while they are read are no error. */
  live?: boolean | undefined;
  /** Nothing else is archived meanwhile. */
  alone?: boolean | undefined;
  /** Holes are written as zeros: the archives of equal files are equal. */
  filled?: boolean | undefined;
}

/** A place's data as a compressed tar. */
export interface Archive {
  /** Fails when anything could not be read: what came before is worthless then. */
  stream: Readable;
  /** Known once `stream` has ended. */
  contents: Promise<Contents>;
}

/**
 * Why no driver serves this volume, for a person: its data is not, or not only, in the engine's own directory. Undefined for plain
 * volumes and for directories.
 */
export function foreign(place: Place): string | undefined {
  if (place.kind === 'bind') return undefined;
  if (place.driver !== 'local') {
    return `volume ${quoted(place.name)} is kept by the driver ${quoted(place.driver)}`;
  }
  const options = Object.keys(place.options);
  if (options.length === 0) return undefined;
  const { type, o } = place.options;
  const what = o?.split(',').includes('bind') ? 'a bind mount' : type;
  return `volume ${quoted(place.name)} has driver options (${what ?? options.join(', ')})`;
}

/** A name for a person: what is not UTF-8 is escaped byte by byte. */
export function printable(name: Buffer): string {
  if (isUtf8(name)) return name.toString();
  return name
    .toString('latin1')
    .replaceAll(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** What `contents` tells once all of the stream was read; fails as the stream does. */
export function contentsOnceRead(stream: Readable, contents: () => Contents): Promise<Contents> {
  const promise = finished(stream, { writable: false }).then(contents);
  // Whoever only reads the stream must not be ended by a promise that nobody looks at.
  promise.catch(() => undefined);
  return promise;
}

/**
 * Reading is what both drivers do alike: a tar with numeric owners, modes, times, hard links and symlinks, names as bytes. Who writes
 * to the place meanwhile is the caller's business.
 */
export interface VolumeReader {
  readonly name: 'host' | 'api';
  /** Why this driver cannot serve the place, for a person; undefined when it can. */
  unfit(place: Place): Promise<string | undefined>;
  archive(place: Place, options: ArchiveOptions): Promise<Archive>;
}
