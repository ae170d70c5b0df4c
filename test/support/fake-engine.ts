import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { connectEngine } from '../../src/engine/connect.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Endpoint } from '../../src/engine/endpoint.js';

/** An answer with another status than 200. */
export class Refusal {
  constructor(
    readonly status: number,
    readonly message: string,
  ) {}
}

/** Literal answers by `METHOD /path`, the path with its version and without its query. A text is sent as it is, all else as JSON. */
export type Answers = Record<string, unknown>;

/** An engine on a socket that gives literal answers, and 404 to all other requests. */
export class FakeEngine {
  /** `METHOD /path?query` of every request. */
  readonly requests: string[] = [];
  readonly endpoint: Endpoint;

  private constructor(path: string) {
    this.endpoint = {
      host: `unix://${path}`,
      certPath: undefined,
      sshAgent: undefined,
      origin: '--host',
    };
  }

  /** Runs until the test ends. */
  static async start(answers: Answers): Promise<FakeEngine> {
    const directory = await mkdtemp(join(tmpdir(), 'fake-engine-'));
    const path = join(directory, 'engine.sock');
    const engine = new FakeEngine(path);
    const server = http.createServer((request, response) => {
      engine.requests.push(`${request.method} ${request.url}`);
      const answer =
        answers[`${request.method} ${request.url?.split('?')[0]}`] ?? new Refusal(404, 'not there');
      const status = answer instanceof Refusal ? answer.status : 200;
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    });
    return engine;
  }

  connect(): Promise<Engine> {
    return connectEngine(this.endpoint);
  }
}
