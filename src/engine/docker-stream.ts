import { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { parseAnswer } from './docker-answers.js';
import { toEngineError } from './docker-errors.js';
import type { Endpoint } from './endpoint.js';

/** What a container wrote: Docker sends both streams as frames of one. */
export interface Output {
  stdout: string;
  stderr: string;
  /** Both, in the order they were written. */
  both: string;
}

const HEADER_BYTES = 8;
const STDERR = 2;

interface Frame {
  stderr: boolean;
  payload: Buffer;
}

/** Frames: a byte for the stream, three of padding, a big-endian length, the payload. `rest` is where an unfinished one begins. */
function takeApart(bytes: Buffer): { frames: Frame[]; rest: number } {
  const frames: Frame[] = [];
  let rest = 0;
  while (rest + HEADER_BYTES <= bytes.length) {
    const start = rest + HEADER_BYTES;
    const end = start + bytes.readUInt32BE(rest + 4);
    if (end > bytes.length) break;
    frames.push({ stderr: bytes[rest] === STDERR, payload: bytes.subarray(start, end) });
    rest = end;
  }
  return { frames, rest };
}

/** The frames of a stream as they come. Throws `failed` when it ends within one. */
export async function* framesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of source) {
    bytes = Buffer.concat([bytes, chunk]);
    const { frames, rest } = takeApart(bytes);
    yield* frames;
    bytes = bytes.subarray(rest);
  }
  if (bytes.length > 0) throw new RollbackError('failed', "the engine's answer ends too early");
}

/** Everything at once; of a frame that broke off, what there is. */
export function demultiplex(bytes: Buffer): Output {
  const { frames, rest } = takeApart(bytes);
  const broken = bytes.subarray(rest + HEADER_BYTES);
  if (broken.length > 0) frames.push({ stderr: bytes[rest] === STDERR, payload: broken });
  // Decoded only once joined: a character may be cut between two frames.
  const text = (chosen: typeof frames) => Buffer.concat(chosen.map((frame) => frame.payload)).toString();
  return {
    stdout: text(frames.filter((frame) => !frame.stderr)),
    stderr: text(frames.filter((frame) => frame.stderr)),
    both: text(frames),
  };
}

interface Progress {
  stream?: string;
  status?: string;
  /** Deprecated in API 1.48 in favour of `errorDetail`, and left out from 1.52 on by Podman 6. */
  error?: string;
  errorDetail?: { message?: string };
}

/** What an engine tells about a long work, a JSON document a line. Throws `failed` when one of them is an error, the status was 200 by then, or ends early. */
export function progressOf(bytes: Buffer): Progress[] {
  const lines = bytes
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): Progress => parseAnswer(line));
  const failed = lines.find(({ error, errorDetail }) => error !== undefined || errorDetail !== undefined);
  if (failed) {
    const words = failed.errorDetail?.message ?? failed.error;
    throw new RollbackError('failed', `the engine says: ${words}`);
  }
  return lines;
}

/** What the engine sends; a connection that breaks off meanwhile is told as an error of ours. */
export function sentBy(endpoint: Endpoint, stream: NodeJS.ReadableStream): Readable {
  const sent = stream instanceof Readable ? stream : new Readable().wrap(stream);
  const pieces = async function* (): AsyncGenerator {
    try {
      yield* sent;
    } catch (thrown) {
      throw toEngineError(thrown, endpoint);
    }
  };
  return Readable.from(pieces(), { objectMode: false });
}
