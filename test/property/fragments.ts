import type { Yaml } from './keys.js';

/** The pieces that generated projects are made of. */

export type Mapping = { [key: string]: Yaml };

/** A piece of a project. `%NAME%`, `%NET%`, `%SIX%`, `%PORT%` and `%DISK%` in it are replaced by values of the case's own. */
export interface Fragment {
  /** Of the service that a case is about. */
  web?: Mapping;
  /** Of its neighbour, which every project has. */
  peer?: Mapping;
  /** The other sections of the file. */
  top?: Mapping;
  /** Files beside the compose file: path to text. */
  files?: Record<string, string>;
  /** Arguments of `docker` for what the project finds outside of it, before `up`. */
  outside?: string[][];
}

/** A thing that projects may have, in at least two forms. */
export interface Facet {
  name: string;
  values: Fragment[];
  /** Keys of the service that cannot stand beside it; facets that set the same key never meet. */
  clash?: string[];
  /** Why no container, network or volume shows it. Else each change of it must be seen by the inspection. */
  unseen?: string;
  /** Compose does not see the change by itself: `up` with `--force-recreate`. */
  force?: true;
  /** It works with one replica only. */
  single?: true;
  /** It may leave the service without a container: nothing else changes then. */
  alone?: true;
  /** It makes another number of replicas. */
  multiple?: true;
  /** Variables of the shell that `docker compose` and our program need. */
  environment?: Record<string, string>;
}

export const web = (values: Mapping): Fragment => ({ web: values });
export const top = (values: Mapping): Fragment => ({ top: values });
