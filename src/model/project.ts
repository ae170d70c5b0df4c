import type { ComposeModel } from './compose.js';
import type { Container, EngineIdentity, Image } from './engine.js';
import type { ProjectFacts } from './facts.js';
import type { Stranger } from './ownership.js';

/** How a person says which project is meant: compose's own flags and environment. */
export interface ProjectSelection {
  /** Absolute: where we were called. */
  cwd: string;
  files?: string[];
  projectName?: string;
  projectDirectory?: string;
  profiles?: string[];
  envFiles?: string[];
  /** The environment we were called in. */
  env: Record<string, string | undefined>;
}

/** Who named a project: a flag or the environment, its compose files or `.env`, or nobody, so that it is called after its folder. */
export type NameOrigin = 'given' | 'written' | 'folder';

/** One compose project, found. All paths absolute. */
export interface Project {
  name: string;
  /** Where the name comes from; `folder` when absent. */
  nameOrigin?: NameOrigin;
  /**
   * Another name that containers of this folder may run under: the one that its files give now, or gave before. Containers that were started from this
   * very folder under that name are the project's too.
   */
  alias?: string;
  /** Compose's project directory: relative paths start here. */
  directory: string;
  /** Compose files in the order they are merged; with `origin: default` those that exist, else as told. */
  files: string[];
  /** Who said which files: compose's default names, a flag or COMPOSE_FILE, the containers' labels, or a point. */
  origin: 'default' | 'told' | 'labels' | 'point';
  profiles: string[];
  /** As given by `--env-file`; empty means compose's own `.env`. */
  envFiles: string[];
}

/** Numeric ids of a file's user and group. */
export interface Owner {
  uid: number;
  gid: number;
}

/** A configuration entry as it is on disk now. Paths are relative to the project directory, with `/`. */
export type ConfigEntry =
  | {
      path: string;
      type: 'file';
      mode: number;
      owner?: Owner | undefined;
      size: number;
      sha256: string;
      /** Somebody wrote it while it was observed, or the target point says that its service always does. */
      unsteady?: true | undefined;
      /** Of a file outside the project: the link inside that leads to it. */
      via?: string | undefined;
    }
  | { path: string; type: 'symlink'; target: string; owner?: Owner | undefined }
  | {
      path: string;
      type: 'directory';
      mode: number;
      owner?: Owner | undefined;
      /** It holds something that is no entry here. Told only of the paths of a target point. */
      others?: true | undefined;
    }
  | { path: string; type: 'absent' }
  /** Something else is in the way: a device, a socket, an unreadable or too large file. */
  | { path: string; type: 'other'; what: string };

/** Something that looks like configuration and is not recorded, and why. */
export interface SkippedEntry {
  path: string;
  reason: string;
}

/** What this user may do to the paths of a target point. */
export interface FileAccess {
  /** Who may only make files of these ids; null for root, who gives files to anybody. */
  user: { uid: number; groups: number[] } | null;
  /** Paths that cannot be replaced, made or removed, and why. */
  refused: Record<string, string>;
  /** Paths that are mount points themselves: a file there can only be rewritten in place. */
  mountPoints: string[];
}

/** The configuration of a project: what a point stores and what a rollback compares. */
export interface Configuration {
  /** Inside the project directory; sorted by path. Directories are those recorded as a whole. */
  entries: ConfigEntry[];
  /** Outside the project directory and listed by the user; `path` is absolute. */
  outside: ConfigEntry[];
  skipped: SkippedEntry[];
  /** Read-only bind-mounted directories (relative): what appears inside them later is undone too. */
  directories: string[];
  /** Nothing is refused where no target was given. */
  access: FileAccess;
}

/** A variable the compose files interpolate. Values are secret by default. */
export interface InterpolationVariable {
  name: string;
  /** The value the provider must get from its environment; null when files or defaults gave it. */
  value: string | null;
  /** `shell`: set where we were called. `container`: deduced from what runs. `file`: left to env files and defaults. */
  source: 'shell' | 'container' | 'file';
}

export interface GitState {
  commit: string;
  /** Undefined with a detached head. */
  branch: string | undefined;
  dirty: boolean;
  /** Absolute path of the work tree. */
  root: string;
  /** Absent where all are at the commit that the project names and have no changes. */
  submodules?: {
    /** Those that are at another commit than the project names, and at which, by path. */
    moved: Record<string, string>;
    /** Paths of those with changes of tracked files. */
    changed: string[];
  };
}

export interface ServiceObservation {
  name: string;
  /** One-off containers left out; sorted by number. */
  containers: Container[];
  /** `config --hash` of today's files with the recorded variables; undefined when the provider cannot tell. */
  filesHash: string | undefined;
  /**
   * True when its containers are what today's files give: by their hash where it can be compared, else by what shows from outside. False
   * without a model, and for a service that it does not have.
   */
  matchesFiles: boolean;
}

/** One snapshot of the present. A broken present is still observed: the broken parts are undefined and explained. */
export interface Observation {
  /** UTC, RFC 3339 with Z. */
  takenAt: string;
  project: Project;
  engine: EngineIdentity;
  provider: {
    name: string;
    version: string;
    /** Does it put a new container in the place of one that differs? Else that has to go first. */
    replaces: boolean;
    /** Can it make services from a resolved model? */
    readsModels: boolean;
  };
  model: ComposeModel | undefined;
  /** Why there is no model: the provider's own words. */
  modelError: string | undefined;
  /** Services of the model with active profiles, and those that have containers, by name. */
  services: Record<string, ServiceObservation>;
  /** Containers that carry the project's name and are not its own. */
  strangers: Stranger[];
  configuration: Configuration;
  variables: InterpolationVariable[];
  /** Images by every id and reference that matters, in the containers and in the target point; null: not there. */
  images: Record<string, Image | null>;
  /** What runs, with the `key` empty. */
  facts: ProjectFacts;
  git: GitState | undefined;
  /** Worth telling the user: drift between files and containers, guesses that were made. */
  warnings: string[];
}
