import * as z from 'zod';
import { runProgram } from '../../engine/program.js';
import { findProgram } from '../../engine/search-path.js';

/** The Podman of this machine and user, as it tells of itself. */
export interface Podman {
  version: string;
  rootless: boolean;
  cgroups: 'v1' | 'v2';
  selinux: boolean;
  apparmor: boolean;
  /** Registries that a short image name is looked for in. */
  searched: string[];
  networkDrivers: string[];
  logDrivers: string[];
  networkBackend: string;
  /** Programs that connect rootless containers, as far as they are there. */
  forwarders: string[];
  /** Which of them is used, `pasta`; undefined before 5.0, where either does. */
  forwarder: string | undefined;
  /** Where it keeps what it knows of containers: `sqlite`, `boltdb`; undefined before 4.6. */
  database: string | undefined;
  storage: { directory: string; driver: string };
}

const forwarderSchema = z.object({ executable: z.string().default('') }).optional();

const infoSchema = z.object({
  host: z.object({
    cgroupVersion: z.enum(['v1', 'v2']),
    networkBackend: z.string().default('cni'),
    rootlessNetworkCmd: z.string().optional(),
    databaseBackend: z.string().optional(),
    slirp4netns: forwarderSchema,
    pasta: forwarderSchema,
    security: z.object({
      rootless: z.boolean(),
      selinuxEnabled: z.boolean().default(false),
      apparmorEnabled: z.boolean().default(false),
    }),
  }),
  plugins: z.object({
    network: z.array(z.string()).nullable().default([]),
    log: z.array(z.string()).nullable().default([]),
  }),
  registries: z
    .looseObject({ search: z.array(z.string()).nullable().optional() })
    .nullable()
    .default({}),
  store: z.object({ graphRoot: z.string(), graphDriverName: z.string() }),
  version: z.object({ Version: z.string() }),
});

/** Undefined where there is no `podman` on PATH; a problem where it cannot tell of itself. */
export async function askPodman(
  env: Record<string, string | undefined>,
): Promise<Podman | { problem: string } | undefined> {
  const program = await findProgram('podman', env);
  if (program === undefined) return undefined;
  const { exitCode, stdout, stderr, problem } = await runProgram([program, 'info', '--format', 'json'], {
    env,
  });
  if (exitCode !== 0) return { problem: stderr.trim().split('\n').at(-1) || (problem ?? 'it says nothing') };
  return fromInfo(stdout);
}

function fromInfo(text: string): Podman | { problem: string } {
  const parsed = infoSchema.safeParse(asJson(text));
  if (!parsed.success) return { problem: `it answers something else: ${z.prettifyError(parsed.error)}` };
  const { host, plugins, registries, store, version } = parsed.data;
  const { rootless, selinuxEnabled, apparmorEnabled } = host.security;
  const helpers = [host.slirp4netns?.executable, host.pasta?.executable];
  return {
    version: version.Version,
    rootless,
    cgroups: host.cgroupVersion,
    selinux: selinuxEnabled,
    apparmor: apparmorEnabled,
    searched: registries?.search ?? [],
    networkDrivers: plugins.network ?? [],
    logDrivers: plugins.log ?? [],
    networkBackend: host.networkBackend,
    forwarders: helpers.flatMap((path) => path || []),
    forwarder: host.rootlessNetworkCmd || undefined,
    database: host.databaseBackend,
    storage: { directory: store.graphRoot, driver: store.graphDriverName },
  };
}

/** Undefined for what is none. */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
