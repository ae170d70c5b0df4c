import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { statusOf, toEngineError } from './docker-errors.js';
import { sentBy } from './docker-stream.js';
import type { Endpoint } from './endpoint.js';
import { parseReference } from './reference.js';
import { overStumbles } from './stumbles.js';

/** Requests to the Docker API: checked names, retries, and errors of ours. */
export class DockerApi {
  constructor(
    protected readonly docker: Dockerode,
    protected readonly endpoint: Endpoint,
  ) {}

  protected readable(stream: NodeJS.ReadableStream): Readable {
    return sentBy(this.endpoint, stream);
  }

  protected containerAt(id: string): Dockerode.Container {
    if (!/^[A-Za-z0-9][\w.-]*$/.test(id))
      throw new RollbackError('usage', `${quoted(id)} is not a container's id`);
    return this.docker.getContainer(id);
  }

  protected imageAt(reference: string): Dockerode.Image {
    if (parseReference(reference) === undefined && !/^(?:sha256:)?[0-9a-f]{64}$/.test(reference)) {
      throw new RollbackError('usage', `${quoted(reference)} is not an image reference`);
    }
    return this.docker.getImage(reference);
  }

  /** The answer to a question that changes nothing, which may be asked again. */
  protected asked<T>(question: () => Promise<T>): Promise<T>;
  protected asked<T>(question: () => Promise<T>, ...expected: number[]): Promise<T | undefined>;
  protected asked<T>(question: () => Promise<T>, ...expected: number[]): Promise<T | undefined> {
    return overStumbles(() => this.ask(question(), ...expected));
  }

  /** The answer; undefined when the engine says one of the `expected` status codes, which mean that there is nothing to do. */
  protected async ask<T>(request: Promise<T>): Promise<T>;
  protected async ask<T>(request: Promise<T>, ...expected: number[]): Promise<T | undefined>;
  protected async ask<T>(request: Promise<T>, ...expected: number[]): Promise<T | undefined> {
    try {
      return await request;
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status !== undefined && expected.includes(status)) return undefined;
      throw toEngineError(thrown, this.endpoint);
    }
  }
}
