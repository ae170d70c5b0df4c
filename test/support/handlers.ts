import type { Engine } from '../../src/engine/engine.js';
import type { HandlerContext } from '../../src/handlers/handler.js';
import { composeModelSchema, type ComposeModel } from '../../src/model/compose.js';
import { parseServiceConfig } from '../../src/model/config.js';
import type { Container } from '../../src/model/engine.js';
import { testProject, type TestProject } from './engine.js';

export interface ContextOptions {
  /** The service's part of `rollback.yaml`, as a user writes it. */
  config?: Record<string, unknown>;
  /** As for an engine on another machine, where only published ports are in reach. */
  local?: boolean;
  signal?: AbortSignal;
}

/** A context as the manager makes it, and what was reported through it. */
export type TestContext = HandlerContext & { readonly reported: string[] };

export interface TestStack {
  project: TestProject;
  context(service: string, options?: ContextOptions): TestContext;
  /** The service's first container as it is now. */
  container(service: string): Promise<Container>;
  /** Resolves when the container's log holds the text; fails after 30 s. */
  logged(service: string, text: string): Promise<void>;
}

/** Starts a compose project of its own; it goes when the test file ends. */
export async function startStack(
  engine: Engine,
  prefix: string,
  composeYaml: string,
  files: Record<string, string> = {},
): Promise<TestStack> {
  const project = await testProject(prefix);
  await project.write({ 'compose.yaml': composeYaml, ...files });
  const json: unknown = JSON.parse(await project.compose('--profile', '*', 'config', '--format', 'json'));
  const model: ComposeModel = composeModelSchema.parse(json);
  await project.compose('up', '-d');

  const containersOf = async (service: string) => {
    const ids = await project.ids(service);
    const found = await Promise.all(ids.map(async (id) => engine.container(id)));
    return found.filter((container) => container !== undefined);
  };
  const container = async (service: string) => {
    const [first] = await containersOf(service);
    if (first === undefined) throw new Error(`${service} has no container`);
    return first;
  };
  const context = (service: string, options: ContextOptions = {}): TestContext => {
    const reported: string[] = [];
    return {
      reported,
      service,
      engine,
      local: options.local ?? true,
      containers: async () => containersOf(service),
      sibling: (name) => context(name),
      model: model.services[service],
      config: parseServiceConfig(options.config ?? {}),
      signal: options.signal ?? new AbortController().signal,
      report: (message) => reported.push(message),
    };
  };
  const logged = async (service: string, text: string) => {
    const { id } = await container(service);
    await eventually(async () => (await engine.logs(id, 200)).includes(text), `${service} logs ${text}`);
  };
  return { project, context, container, logged };
}

/** Resolves when the condition holds; fails after 30 s. */
export async function eventually(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not come true within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
