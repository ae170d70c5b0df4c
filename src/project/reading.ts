import type { ComposeProvider, ComposeRequest } from '../engine/provider.js';
import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import type { Project } from '../model/project.js';

/** What the provider makes of the compose files. Broken files are an answer too. */
export interface Reading {
  /** Services of every profile included. */
  model: ComposeModel | undefined;
  /** Why there is no model, in the provider's words. */
  modelError: string | undefined;
  /** Config hashes as far as the provider can tell, services of every profile included. */
  hashes: Record<string, string>;
}

export type Environment = Record<string, string | undefined>;

/** Both questions at once: each costs a process. Throws only what is not the files' fault, and the signal's reason. */
export async function readModel(
  provider: ComposeProvider,
  project: Project,
  env: Environment,
  signal?: AbortSignal,
): Promise<Reading> {
  const { name, directory, files, envFiles } = project;
  if (files.length === 0) return { model: undefined, modelError: 'there is no compose file', hashes: {} };
  const request: ComposeRequest = {
    name,
    directory,
    files,
    profiles: ['*'],
    envFiles,
    env,
    ...(signal === undefined ? {} : { signal }),
  };
  const [model, hashes] = await Promise.all([
    answer(provider.config(request, { allProfiles: true })),
    answer(provider.hashes(request)),
  ]);
  return { model: model.value, modelError: model.error, hashes: hashes.value ?? {} };
}

async function answer<T>(asking: Promise<T>): Promise<{ value?: T; error: string | undefined }> {
  try {
    return { value: await asking, error: undefined };
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'provider-failed') throw error;
    const words = error.details.filter((line) => line.trim() !== '' && !line.includes('level=warning'));
    return { error: words.join('\n') || error.message };
  }
}

/** A reading of the compose files that runs in the background. */
export interface EarlyReading {
  of: Project;
  reading: Promise<Reading>;
  /** For when the project turned out to be another. */
  cancel(): void;
}

/** Starts reading in the background. Given to `observe`, which takes it when the project is still the same and cancels it otherwise. */
export function beginReading(
  provider: ComposeProvider,
  project: Project,
  env: Environment,
  signal?: AbortSignal,
): EarlyReading {
  const cancelling = new AbortController();
  const signals = signal === undefined ? cancelling.signal : AbortSignal.any([signal, cancelling.signal]);
  const reading = readModel(provider, project, env, signals);
  // Whoever awaits it sees the failure; a cancelled reading is awaited by nobody.
  reading.catch(() => undefined);
  return { of: project, reading, cancel: () => cancelling.abort() };
}

/** Would the provider read the same? */
export function readsSame(one: Project, other: Project): boolean {
  return placeOf(one) === placeOf(other);
}

function placeOf({ name, directory, files, envFiles }: Project): string {
  return JSON.stringify([name, directory, files, envFiles]);
}
