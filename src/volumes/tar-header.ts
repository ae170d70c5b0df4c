import { RollbackError } from '../model/errors.js';

/** The blocks of a tar archive that are not data: https://www.gnu.org/software/tar/manual/html_node/Standard.html. */

export interface Head {
  type: string;
  name: Buffer;
  link: Buffer;
  mode: number;
  uid: number;
  gid: number;
  /** Of what follows, in bytes. */
  size: number;
  /** GNU's old sparse files: their size with holes, and whether blocks with more of the map follow. */
  realSize: number | undefined;
  extended: boolean;
}

const CHECKSUM = { at: 148, length: 8 };
/** Of an entry, in bytes; what no file system holds is damage. */
const MAX_SIZE = 2 ** 50;

/** Throws `damaged` when the checksum is wrong, or the size cannot be. */
export function readHead(block: Buffer): Head {
  const told = number(field(block, CHECKSUM.at, CHECKSUM.length));
  const sum = checksum(block);
  if (told !== sum.unsigned && told !== sum.signed) throw damaged('a wrong checksum');
  const type = String.fromCharCode(block[156] ?? 0);
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = posix ? text(block, 345, 155) : Buffer.alloc(0);
  const name = text(block, 0, 100);
  const sparse = type === 'S';
  return {
    type,
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    link: text(block, 157, 100),
    mode: checked(number(field(block, 100, 8))) & 0o7777,
    uid: checked(number(field(block, 108, 8))),
    gid: checked(number(field(block, 116, 8))),
    size: checked(number(field(block, 124, 12))),
    realSize: sparse ? checked(number(field(block, 483, 12))) : undefined,
    extended: sparse && block[482] !== 0,
  };
}

/** Records `<length> <key>=<value>\n`; later ones win, an empty value takes back. Throws `damaged`. */
export function readPax(body: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length;) {
    const length = /^([1-9]\d{0,7}) /.exec(body.toString('latin1', at, at + 9))?.[1];
    const end = at + Number(length);
    if (length === undefined || end > body.length || body[end - 1] !== 0x0a) {
      throw damaged('metadata that cannot be read');
    }
    const record = body.subarray(at + length.length + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals <= 0) throw damaged('metadata that cannot be read');
    const key = record.toString('latin1', 0, equals);
    if (equals + 1 === record.length) records.delete(key);
    else records.set(key, record.subarray(equals + 1));
    at = end;
  }
  return records;
}

/** An entry of pax records, for the entry that comes after it. */
export function writePax(records: ReadonlyMap<string, Buffer>): Buffer {
  const body = Buffer.concat([...records].map(([key, value]) => writeRecord(key, value)));
  const head = Buffer.alloc(512);
  head.write('PaxHeader', 0);
  head.write('0000644\0' + '0000000\0'.repeat(2), 100);
  head.write(`${body.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124);
  head.write('x', 156);
  head.write('ustar\u000000', 257);
  head.write(`${checksum(head).unsigned.toString(8).padStart(6, '0')}\0 `, CHECKSUM.at);
  return Buffer.concat([head, body, Buffer.alloc(-body.length & 511)]);
}

/** The length in front counts its own digits too. */
function writeRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  let length = rest.length;
  while (rest.length + `${length}`.length !== length) length = rest.length + `${length}`.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

/** A size among pax records. Throws `damaged` when it is none. */
export function paxSize(pax: Map<string, Buffer> | undefined, key: string): number | undefined {
  const value = pax?.get(key)?.toString('latin1');
  if (value === undefined) return undefined;
  return checked(/^\d{1,16}$/.test(value) ? Number(value) : undefined);
}

function checked(size: number | undefined): number {
  if (size === undefined || size > MAX_SIZE) throw damaged('a size that cannot be');
  return size;
}

/** Octal digits between spaces and zeros, or GNU's big-endian with the first bit set. Undefined for anything else. */
function number(bytes: Buffer): number | undefined {
  if (bytes[0] === 0x80) {
    return bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(bytes.toString('latin1'))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits || '0', 8);
}

/** As if its own field were spaces. Old writers summed signed bytes. */
function checksum(block: Buffer): { unsigned: number; signed: number } {
  let unsigned = CHECKSUM.length * 0x20;
  let high = 0;
  for (const [at, byte] of block.entries()) {
    if (at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.length) continue;
    unsigned += byte;
    if (byte >= 0x80) high += 1;
  }
  return { unsigned, signed: unsigned - high * 0x100 };
}

function field(block: Buffer, at: number, length: number): Buffer {
  return block.subarray(at, at + length);
}

function text(block: Buffer, at: number, length: number): Buffer {
  return untilZero(field(block, at, length));
}

export function untilZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

export function damaged(what: string): RollbackError {
  return new RollbackError('damaged', `the archive is damaged: ${what}`);
}
