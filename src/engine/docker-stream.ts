import { RollbackError } from '../model/errors.js';
import { parseAnswer } from './docker-answers.js';

/** What a container wrote: Docker sends both streams as frames of one. */
export interface Output {
  stdout: string;
  stderr: string;
  /** Both, in the order they were written. */
  both: string;
}

const HEADER_BYTES = 8;
const STDERR = 2;

/** Takes frames apart: a byte for the stream, three of padding, a big-endian length, the payload. */
export function demultiplex(bytes: Buffer): Output {
  const frames: { stderr: boolean; payload: Buffer }[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const start = at + HEADER_BYTES;
    const end = start + bytes.readUInt32BE(at + 4);
    frames.push({ stderr: bytes[at] === STDERR, payload: bytes.subarray(start, end) });
    at = end;
  }
  // Decoded only once joined: a character may be cut between two frames.
  const text = (chosen: typeof frames) => Buffer.concat(chosen.map((frame) => frame.payload)).toString();
  return {
    stdout: text(frames.filter((frame) => !frame.stderr)),
    stderr: text(frames.filter((frame) => frame.stderr)),
    both: text(frames),
  };
}

/** What an engine tells about a long work, a JSON document a line. Throws `failed` when one of them is an error, the status was 200 by then, or ends early. */
export function progressOf(bytes: Buffer): { stream?: string }[] {
  const lines = bytes
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): { stream?: string; error?: string } => parseAnswer(line));
  const failed = lines.find(({ error }) => error !== undefined);
  if (failed) throw new RollbackError('failed', `the engine says: ${failed.error}`);
  return lines;
}
