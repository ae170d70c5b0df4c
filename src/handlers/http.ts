import type { Container } from '../model/engine.js';
import { inconclusive } from '../model/verdict.js';
import type { HandlerContext } from './handler.js';
import { networkProblem } from './network.js';
import { endpoints } from './ports.js';
import { inSeconds, waiting, type Attempt } from './waiting.js';

export interface HttpAnswer {
  status: number;
  /** Decoded as UTF-8, cut at the limit. */
  body: string;
  /** Where it points to, without the query; redirects are never followed. */
  location: string | undefined;
}

export interface HttpOptions {
  /** Milliseconds for the whole exchange. */
  timeout: number;
  signal: AbortSignal;
  /** Bytes of the body that are read; 64 kB when absent. */
  limit?: number;
}

const BODY_LIMIT = 64 * 1024;

/** Asks once. A connection that fails is an answer in plain words, not an error; throws what the signal was aborted with. */
export async function httpGet(url: URL, options: HttpOptions): Promise<HttpAnswer | { problem: string }> {
  const late = AbortSignal.timeout(options.timeout);
  try {
    return await exchange(url, AbortSignal.any([options.signal, late]), options.limit ?? BODY_LIMIT);
  } catch (error) {
    options.signal.throwIfAborted();
    if (late.aborted) return { problem: `no answer within ${inSeconds(options.timeout)}` };
    return { problem: networkProblem(error) };
  }
}

async function exchange(url: URL, signal: AbortSignal, limit: number): Promise<HttpAnswer> {
  const { get } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return await new Promise((resolve, reject) => {
    const request = get(url, { signal, agent: false, headers: { connection: 'close' } }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = () => {
        const body = Buffer.concat(chunks).subarray(0, limit).toString('utf8');
        const location = response.headers.location?.replace(/[?#].*$/s, '');
        resolve({ status: response.statusCode ?? 0, body, location });
      };
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size < limit) return;
        finish();
        request.destroy();
      });
      response.on('end', finish);
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/**
 * Asks for `path` on a port of the container, at the first address that gives an HTTP answer, and lets `judge` say what it is
 * worth. Inconclusive when the port cannot be reached from this machine.
 */
export async function httpOfContainer(
  context: HandlerContext,
  container: Container,
  port: number,
  path: string,
  options: Omit<HttpOptions, 'signal'>,
  judge: (answer: HttpAnswer) => Attempt,
): Promise<Attempt> {
  const places = await endpoints(context, container, port);
  let attempt: Attempt = inconclusive(
    `port ${port} of ${container.name} cannot be reached from this machine: it is not published, and the engine is remote`,
  );
  for (const { host, port: at } of places) {
    const authority = host.includes(':') ? `[${host}]:${at}` : `${host}:${at}`;
    const answer = await httpGet(new URL(`http://${authority}${path}`), {
      ...options,
      signal: context.signal,
    });
    if (!('problem' in answer)) return judge(answer);
    attempt = waiting(`GET ${withoutQuery(path)}: ${answer.problem}`);
  }
  return attempt;
}

/** `GET /health answered 503`, with the place it points to when it is a redirect. */
export function describeAnswer(path: string, answer: HttpAnswer): string {
  const where = answer.location === undefined ? '' : ` (points to ${answer.location})`;
  return `GET ${withoutQuery(path)} answered ${answer.status}${where}`;
}

/** What follows "?" may be a token. */
function withoutQuery(path: string): string {
  return path.replace(/[?#].*$/s, '');
}
