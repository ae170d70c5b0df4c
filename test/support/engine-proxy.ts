import { mkdtemp, rm } from 'node:fs/promises';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What goes wrong with a request on its way to the engine, or with its answer on the way back. */
export const FAULTS = [
  /** Comes 300 ms late. */
  'delayed',
  /** Never reaches the engine: the connection breaks. */
  'reset',
  /** Answered with 500 by somebody in between. */
  'refused',
  /** Done by the engine, and the connection breaks before the answer. */
  'unanswered',
  /** Done, and the connection breaks in the middle of the answer. */
  'truncated',
  /** Done, and the answer ends in its middle as if that were all. */
  'cut',
  /** Never reaches the engine, nor does any request after it. */
  'gone',
] as const;

export type Fault = (typeof FAULTS)[number];

export interface EngineProxy {
  /** For DOCKER_HOST. */
  host: string;
  /** From now on the requests of these numbers (from 1) meet the fault; without one all is well. Requests are counted anew. */
  arm(fault?: Fault, ...at: number[]): void;
  /** Requests since it was armed. */
  requests(): string[];
  close(): Promise<void>;
}

/** Stands between a program and the engine that DOCKER_HOST names. */
export async function engineProxy(): Promise<EngineProxy> {
  const engine = /^unix:\/\/(.+)/.exec(process.env['DOCKER_HOST'] ?? '')?.[1];
  if (engine === undefined) throw new Error('DOCKER_HOST has to name the socket of an engine');
  const directory = await mkdtemp(join(tmpdir(), 'engine-proxy-'));
  const socketPath = join(directory, 'engine.sock');

  let armed: { fault: Fault | undefined; at: number[] } = { fault: undefined, at: [] };
  let seen: string[] = [];
  const server = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const { fault, at } = armed;
    const struck = fault === 'gone' ? seen.length >= Math.min(...at) : at.includes(seen.length);
    void meet(struck ? fault : undefined, request, response, engine);
  });
  // As the engine, which closes no connection for being idle.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    host: `unix://${socketPath}`,
    arm(fault, ...at) {
      armed = { fault, at };
      seen = [];
    },
    requests: () => seen,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

async function meet(
  fault: Fault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  engine: string,
): Promise<void> {
  if (fault === 'reset' || fault === 'gone') {
    request.socket.destroy();
    return;
  }
  if (fault === 'refused') {
    request.resume();
    const message = JSON.stringify({ message: 'something in between failed' });
    response.writeHead(500, { 'content-type': 'application/json' }).end(message);
    return;
  }
  if (fault === 'delayed') await delay(300);
  const { method, url, headers } = request;
  const onward = http.request({ socketPath: engine, method, path: url, headers, agent: false });
  request.pipe(onward);
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  onward.on('response', (answer) => giveBack(fault, answer, response));
}

function giveBack(fault: Fault | undefined, answer: IncomingMessage, response: ServerResponse): void {
  const { statusCode = 500, headers } = answer;
  if (fault === 'unanswered') {
    response.destroy();
    return;
  }
  if (fault === 'truncated' || fault === 'cut') {
    const { 'content-length': _length, ...unmeasured } = headers;
    response.writeHead(statusCode, fault === 'cut' ? unmeasured : headers);
    answer.once('end', () => response.destroy());
    answer.once('data', (chunk: Buffer) => {
      answer.removeAllListeners('end').destroy();
      response.write(chunk.subarray(0, chunk.length / 2));
      if (fault === 'cut') response.end();
      else setImmediate(() => response.socket?.destroySoon());
    });
    return;
  }
  response.writeHead(statusCode, headers);
  response.flushHeaders();
  answer.pipe(response);
  answer.on('error', () => response.destroy());
}
