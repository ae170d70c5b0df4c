import { resolve } from 'node:path';
import { connectEngine } from '../engine/connect.js';
import { discoverEngine, isFound } from '../engine/discovery.js';
import type { Endpoint } from '../engine/endpoint.js';
import type { ComposeProvider } from '../engine/provider.js';
import { findProvider, providerOf } from '../engine/providers.js';
import { HandlerRegistry } from '../handlers/registry.js';
import type { Config } from '../model/config.js';
import type { EventSink } from '../model/events.js';
import { RollbackError } from '../model/errors.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { VERSION } from '../model/version.js';
import { readConfig, type SettingsProblem } from '../project/config.js';
import { locateProject } from '../project/locate.js';
import { beginReading, readModel, type EarlyReading, type Reading } from '../project/reading.js';
import { locateIfAny } from '../project/refine.js';
import type { EncryptionSettings } from '../store/store-key.js';
import type { Subject } from './choose-name.js';
import { selectionOf, storeOf, userName } from './locate.js';
import type { ManagerOptions } from './options.js';
import { resolveProject } from './resolve.js';
import { withKnownHandlers, type RunFacts, type Workspace } from './workspace.js';

/** Opens a project on its engine: chooses the implementations and puts them together. */

export interface OpenSettings {
  /** Name of the project when neither files, containers nor points tell one. */
  fallbackName?: string | undefined;
  /**
   * Start reading the compose files while the engine is being asked, and let the first observation reuse that and the containers found. For
   * commands that change nothing: a plan that is carried out is made from what is read under the lock. False when absent.
   */
  prefetch?: boolean | undefined;
  /** Refuse settings that make no sense; else they are reported and left out. False when absent: a broken present never blocks. */
  strict?: boolean | undefined;
  /** What the command works with, which decides when the points of a folder and its containers tell different names. `points` when absent. */
  subject?: Subject | undefined;
}

/**
 * The project on its engine, found by files, flags, labels or the index, with everything that use cases work with.
 * @throws RollbackError `project-not-found`, `usage`, `engine-unreachable`, `engine-not-supported`
 */
export async function openWorkspace(
  options: ManagerOptions,
  runFacts: RunFacts,
  settings: OpenSettings = {},
): Promise<Workspace> {
  const selection = selectionOf(options);
  const { env } = selection;
  const signal = options.signal ?? new AbortController().signal;
  const { engine: kind = 'auto', host, context } = options;
  const endpoint = await discoverEngine({
    engine: kind,
    env,
    ...(host === undefined ? {} : { host }),
    ...(context === undefined ? {} : { context }),
  });
  const connecting = connectEngine(endpoint, kind);
  // Processes of the provider run while libraries are loaded and the engine answers.
  const preparing = prepareProvider(selection, endpoint, settings.prefetch ? signal : undefined);
  const [engine, { provider: found, located, early }] = await Promise.all([connecting, preparing]);
  const { fallbackName, subject = 'points' } = settings;
  const [identity, { project, containers, notices }] = await Promise.all([
    engine.identity(),
    resolveProject(options, selection, engine, { located, fallbackName, subject }),
  ]);
  const problems: SettingsProblem[] = [];
  const [config, provider] = await Promise.all([
    readConfig(project, settings.strict ? undefined : (problem) => problems.push(problem)),
    providerOf(project.name, containers, engine, found, { endpoint, env }),
  ]);
  if (provider !== found) early?.cancel();
  const emit = withoutRepeatedWarnings(options.onEvent);
  for (const message of [...notices, ...problems.map((problem) => problem.message)])
    emit({ type: 'warning', message });
  const store = await storeOf(options, selection, project, {
    encryption: encryptionOf(config, project),
    keepsEncrypting: problems.length > 0,
    warn: (message) => emit({ type: 'warning', message }),
  });
  const relocation =
    kind === 'auto' ? await runFacts.findRelocation(store, project.name, identity) : undefined;
  if (relocation && isFound(endpoint)) {
    early?.cancel();
    store.close();
    const elsewhere = { ...options, engine: relocation.kind, host: relocation.host ?? undefined };
    return openWorkspace(elsewhere, runFacts, settings);
  }
  if (relocation)
    emit({
      type: 'warning',
      message: `the project was moved to ${relocation.kind}, and ${endpoint.origin} names another engine`,
    });
  const handlers = new HandlerRegistry();
  for (const handler of options.handlers ?? []) handlers.register(handler);
  const named = Object.values(config.services).flatMap(({ handler }) => handler ?? []);
  if (settings.strict) named.forEach((name) => handlers.get(name));
  const warn = (message: string) => emit({ type: 'warning', message });
  const services = withKnownHandlers(handlers, config.services, warn);
  return {
    project,
    config: {
      ...config,
      services,
      max_rollback_points: options.maxRollbackPoints ?? config.max_rollback_points,
    },
    engine,
    endpoint,
    identity,
    provider,
    store,
    handlers,
    settings: problems.some(({ isUnreadable }) => isUnreadable)
      ? 'unreadable'
      : problems.length > 0
        ? 'partial'
        : 'whole',
    env,
    user: userName(),
    toolVersion: VERSION,
    emit,
    signal,
    runFacts,
    prefetched: settings.prefetch
      ? { reading: provider === found ? early : undefined, containers }
      : undefined,
  };
}

async function prepareProvider(
  selection: ProjectSelection,
  endpoint: Endpoint,
  prefetch: AbortSignal | undefined,
): Promise<{ provider: ComposeProvider; located: Project | undefined; early: EarlyReading | undefined }> {
  const located = await locateIfAny(selection);
  const provider = await findProvider({ endpoint, env: selection.env });
  // Observing asks for the version too, and reports a failure then.
  provider.version().catch(() => undefined);
  const early = prefetch && located && beginReading(provider, located, selection.env, prefetch);
  return { provider, located, early };
}

/** Settings and labels are read again with each plan. */
function withoutRepeatedWarnings(sink: EventSink = () => undefined): EventSink {
  const told = new Set<string>();
  return (event) => {
    if (event.type === 'warning' && told.has(event.message)) return;
    if (event.type === 'warning') told.add(event.message);
    sink(event);
  };
}

function encryptionOf({ encryption }: Config, { directory }: Project): EncryptionSettings | undefined {
  if (!encryption) return undefined;
  const { recipients, recipients_file: file, passphrase } = encryption;
  const recipientsFile = file === undefined ? undefined : resolve(directory, file);
  return { recipients, passphrase, recipientsFile };
}

/**
 * A project from its files, while no engine answers.
 * @throws RollbackError `project-not-found`
 */
export async function openFiles(options: ManagerOptions): Promise<{ project: Project; reading: Reading }> {
  const selection = selectionOf(options);
  const project = await locateProject(selection);
  return { project, reading: await readFiles(project, selection.env, options.signal) };
}

async function readFiles(
  project: Project,
  env: ProjectSelection['env'],
  signal: AbortSignal | undefined,
): Promise<Reading> {
  // The provider wants an address, and reading files asks no engine.
  const endpoint = {
    host: 'unix:///run/docker.sock',
    certPath: undefined,
    sshAgent: undefined,
    origin: 'nobody',
  };
  try {
    return await readModel(await findProvider({ endpoint, env }), project, env, signal);
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'provider-failed') throw error;
    return { model: undefined, modelError: error.message, hashes: {} };
  }
}
