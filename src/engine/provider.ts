import type { ComposeModel } from '../model/compose.js';

/** What a provider is asked about: always explicit, never left to its own search. */
export interface ComposeRequest {
  name: string;
  /** Absolute. */
  directory: string;
  /** Absolute, in order. */
  files: string[];
  profiles: string[];
  /** Absolute; empty means the directory's own `.env`. */
  envFiles: string[];
  /** The whole environment of the child; COMPOSE_* and the engine's address are set by the provider itself. */
  env: Record<string, string | undefined>;
  signal?: AbortSignal;
}

export interface UpOptions {
  start: boolean;
  /** Replica counts that differ from what the files say. */
  scale: Record<string, number>;
  /** Recreates containers that are current, too; false when absent. */
  recreate?: boolean;
}

/**
 * The program that applies compose files. Throws RollbackError `provider-failed` with the program's own last words as details.
 */
export interface ComposeProvider {
  /** `docker compose`, `docker-compose`, `podman-compose`. */
  readonly name: string;
  /** Does `up` put a new container in the place of one that differs? Else that has to be removed first. */
  readonly replaces: boolean;
  /** Does `up` take a resolved model in the place of files? */
  readonly readsModels: boolean;
  /** Asked of the program once, when first needed: it costs a process. */
  version(): Promise<string>;
  /** The resolved model; services of inactive profiles included when `allProfiles`. */
  config(request: ComposeRequest, options?: { allProfiles?: boolean }): Promise<ComposeModel>;
  /** Config hash of each service as its containers' labels would carry it; empty when the program cannot tell. */
  hashes(request: ComposeRequest): Promise<Record<string, string>>;
  /**
   * The hash of each service of a resolved model, which may come from another version, as its containers' labels would carry it. Empty when
   * the program cannot tell.
   */
  hashModel(request: ComposeRequest, model: ComposeModel): Promise<Record<string, string>>;
  /**
   * Does a service's config hash cover its dependencies? Then making the service without naming them gives it another hash than a plain
   * `up` would, and the next one makes it anew.
   */
  hashesDependencies(): Promise<boolean>;
  /**
   * `up -d --no-deps --no-build --pull never SERVICE…`: makes what differs, starts it unless told not to. Dependencies are not touched,
   * volumes are never recreated.
   */
  up(request: ComposeRequest, services: string[], options: UpOptions): Promise<void>;
  /**
   * The same from a resolved model in the place of the request's files.
   * @throws RollbackError `not-supported` where `readsModels` is false
   */
  upModel(
    request: ComposeRequest,
    model: ComposeModel,
    services: string[],
    options: UpOptions,
  ): Promise<void>;
  /** Builds the image of one service; what it is built upon may be pulled. That it is there afterwards is for the caller to see. */
  build(request: ComposeRequest, service: string): Promise<void>;
  /** Image reference the provider gives a service that has none of its own, e.g. `shop-api`; the model may say how names are joined. */
  defaultImage(project: string, service: string, model: ComposeModel | undefined): string;
}
