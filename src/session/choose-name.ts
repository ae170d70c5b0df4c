import type { Project } from '../model/project.js';

/** Which project a folder holds when its files say one name, and its points or its containers know another. Pure. */

/** What a command works with: the points of the folder, or the containers and files of today. */
export type Subject = 'points' | 'present';

/** A project that has points in the backup directory, recorded in this very folder. */
export interface RecordedName {
  name: string;
  /** Was it named by a flag or the environment, and not by the files of that time or their folder? Unknown for old and encrypted points. */
  isGiven: boolean;
  /** podman-compose 1.0.3 ignores `name:` and names a project after its folder, so that this is the name that the project has. */
  isByFolder: boolean;
}

export interface KnownNames {
  /** The name that files and folder give today. */
  located: Pick<Project, 'name'>;
  subject: Subject;
  /** Does the backup directory hold points of that name? */
  hasPoints: boolean;
  /** Has the engine containers of that name? Undefined when no engine is asked. */
  hasContainers: boolean | undefined;
  /** Other names that the points of this folder were made under. */
  recorded: readonly RecordedName[];
  /** Other names of projects that run from this folder, or from where it was before. Empty when no engine is asked. */
  running: readonly string[];
}

/** Another name than the located one, and why; or that one with what a person should know. */
export interface ChosenName {
  name: string;
  notice: string | undefined;
}

/** The located name unless nothing is known under it and exactly one other name is left. */
export function chooseName(known: KnownNames): ChosenName {
  const { located, subject, hasPoints, hasContainers, recorded, running } = known;
  const names = recorded.map(({ name }) => name);
  const byFolder = recorded.find(({ isByFolder }) => isByFolder);
  if (hasPoints) return { name: located.name, notice: undefined };
  if (byFolder && hasContainers !== true) return { name: byFolder.name, notice: undefined };
  if (hasContainers === true) {
    // A second project that somebody runs from here with -p is no earlier name of the one that runs.
    const renamed = recorded.flatMap(({ name, isGiven }) => (isGiven ? [] : name));
    if (subject === 'points' && renamed.length === 1) return taken(located.name, renamed, 'the points in');
    return {
      name: located.name,
      notice: subject === 'points' ? left(located.name, names, 'points') : undefined,
    };
  }
  const byBoth = running.filter((name) => names.length === 0 || names.includes(name));
  if (running.length === 1 && byBoth.length === 1) return taken(located.name, byBoth, 'the containers of');
  if (names.length === 1 && running.length === 0 && subject === 'points') {
    return taken(located.name, names, 'the points in');
  }
  const others = [...new Set([...names, ...running])];
  return { name: located.name, notice: left(located.name, others, 'points or containers') };
}

function taken(located: string, [name = located]: string[], whose: string): ChosenName {
  return {
    name,
    notice: `project ${name} is used, because ${whose} this folder belong to it, and nothing belongs to ${located}, the name that files and folder give now: choose with -p NAME`,
  };
}

function left(located: string, others: string[], what: string): string | undefined {
  if (others.length === 0) return undefined;
  return `project ${located} is used; this folder has ${what} of ${others.join(', ')}, too: choose with -p NAME`;
}
