import type { ServiceConfig } from '../model/config.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { apiHandler } from './api.js';
import { generic } from './generic.js';
import { grafana } from './grafana.js';
import type { Handler, HandlerContext } from './handler.js';
import { postgres } from './postgres.js';
import { prometheus } from './prometheus.js';
import { redis } from './redis.js';

/** What a handler is chosen by. */
export interface ServiceTraits {
  service: string;
  /** The reference its container runs or its model names; undefined when it is built and never ran. */
  imageRef: string | undefined;
  config: Pick<ServiceConfig, 'handler'>;
}

/** The known kinds of services: the built-in ones and those the library's user registers. */
export class HandlerRegistry {
  readonly #handlers = new Map<string, Handler>();

  constructor() {
    const api = apiHandler((context) => this.handlerOf(context));
    for (const handler of [redis, api, prometheus, grafana, postgres, generic]) this.register(handler);
  }

  /** Adds a kind, or replaces the one of the same name. What came last is asked first. */
  register(handler: Handler): void {
    this.#handlers.delete(handler.kind);
    this.#handlers.set(handler.kind, handler);
  }

  /** Names of all known kinds, sorted. */
  kinds(): string[] {
    return [...this.#handlers.keys()].toSorted();
  }

  /** The handler of a kind. Throws `config-invalid` for one that is not known. */
  get(kind: string): Handler {
    const handler = this.#handlers.get(kind);
    if (handler !== undefined) return handler;
    throw new RollbackError('config-invalid', `there is no handler ${quoted(kind)}`, {
      hint: `known handlers: ${this.kinds().join(', ')}`,
    });
  }

  /**
   * By configuration, else by image, else by the service's name, else generic. Throws `config-invalid` when the configuration
   * names a handler that is not known.
   */
  choose({ service, imageRef, config }: ServiceTraits): Handler {
    if (config.handler !== undefined) return this.get(config.handler);
    const repository = imageRef === undefined ? undefined : repositoryOf(imageRef);
    const byImage =
      repository === undefined
        ? undefined
        : [...this.#handlers.values()].toReversed().find((handler) => handler.matches(repository));
    return byImage ?? this.#handlers.get(service) ?? this.get(generic.kind);
  }

  /** As `choose`, by what runs: the service's containers, else its model. */
  async handlerOf(context: HandlerContext): Promise<Handler> {
    const [container] = await context.containers();
    const { service, config } = context;
    return this.choose({ service, imageRef: container?.imageRef ?? context.model?.image, config });
  }
}

/** `docker.io/library/redis:7@sha256:…` is `redis`, `quay.io/prometheus/prometheus` is `prometheus/prometheus`. */
export function repositoryOf(reference: string): string {
  const name = reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const [first = '', ...rest] = name.split('/');
  const registry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return (registry ? rest.join('/') : name).replace(/^library\//, '');
}
