import type { ComposeModel, ComposeService } from '../../model/compose.js';
import { named } from './text.js';

/** A service on its way into a unit. */
export interface Part {
  project: string;
  model: ComposeModel;
  /** Services that units are written of. */
  active: readonly string[];
  name: string;
  service: ComposeService;
}

/** What its files are called, and its service for systemd. */
export const unitOf = (project: string, name: string): string => named(`${project}-${name}`);

/** Not what compose calls it: both may be there while one takes over from the other. */
export function containerOf({ project, model }: Pick<Part, 'project' | 'model'>, name: string): string {
  return named(model.services[name]?.container_name ?? unitOf(project, name));
}
