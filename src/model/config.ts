import * as z from 'zod';
import { SAVE_IMAGES } from './point.js';

/** `rollback.yaml`, `x-rollback:` in a compose file, `rollback.*` labels on a service: one schema, later wins. */

/** `30s`, `500ms`, `2m`, or a number of seconds; read into milliseconds. */
export const durationSchema = z
  .union([
    z.number().nonnegative(),
    z.string().regex(/^\d+(\.\d+)?(ms|s|m|h)$/, 'a duration such as 500ms, 30s, 2m'),
  ])
  .transform((value) => {
    if (typeof value === 'number') return value * 1000;
    const unit = /[a-z]+$/.exec(value)?.[0] ?? 's';
    const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 1000;
    return Math.round(Number.parseFloat(value) * factor);
  });

const timing = {
  /** How long one try may take. */
  timeout: durationSchema.optional(),
  /** Tries after the first. */
  retries: z.int().min(0).max(1000).optional(),
  /** Pause between tries. */
  interval: durationSchema.optional(),
};

const argv = z.array(z.string()).min(1);

const execProbe = z.strictObject({
  exec: argv,
  expect: z
    .strictObject({ exit_code: z.int().default(0), text: z.string().optional() })
    .default({ exit_code: 0 }),
  ...timing,
});

const httpProbe = z.strictObject({
  /** A path (`/health`) on the service's port, or a whole URL. */
  http: z.string(),
  /** Container port; the first published or exposed one when absent. */
  port: z.int().min(1).max(65535).optional(),
  expect: z
    .strictObject({
      status: z.union([z.int(), z.array(z.int())]).default(200),
      text: z.string().optional(),
    })
    .default({ status: 200 }),
  ...timing,
});

const tcpProbe = z.strictObject({
  /** Container port. */
  tcp: z.int().min(1).max(65535),
  ...timing,
});

export const probeSchema = z.union([execProbe, httpProbe, tcpProbe]);

/** A command in the service's container (`exec`), or on this machine in the project directory (`run`). */
export const hookSchema = z.union([
  z.strictObject({ exec: argv, on_failure: z.enum(['stop', 'continue']).default('stop'), ...timing }),
  z.strictObject({ run: argv, on_failure: z.enum(['stop', 'continue']).default('stop'), ...timing }),
]);

export const serviceConfigSchema = z.strictObject({
  /** `redis`, `api`, `prometheus`, `grafana`, `postgres`, `generic`, or one registered by the library. */
  handler: z.string().optional(),
  /** Container port the handler talks to. */
  port: z.int().min(1).max(65535).optional(),
  /** Path the api handler asks for; `/health` when absent. */
  health_path: z.string().startsWith('/').optional(),
  /** How long the service may take to become healthy. */
  health_timeout: durationSchema.optional(),
  /** The api handler's dependencies to check first; from depends_on when absent. */
  needs: z.array(z.string()).optional(),
  /** Replaces the handler's own health check. */
  probes: z.array(probeSchema).default([]),
  /** How it is kept from writing while its volumes are recorded; by its handler when absent. */
  consistency: z.enum(['hook', 'pause', 'stop', 'live']).optional(),
  /** A logical dump too when its volumes are recorded, by a handler that can make one: `postgres`. */
  dump: z.boolean().default(false),
  before_rollback: z.array(hookSchema).default([]),
  after_rollback: z.array(hookSchema).default([]),
});

/** Who can decrypt points: recipients (both lists together), or whoever knows the passphrase. */
export const encryptionSchema = z.strictObject({
  recipients: z.array(z.string().regex(/^age1[0-9a-z]+$/, 'an age recipient such as age1…')).default([]),
  /** One recipient a line; relative to the project directory. */
  recipients_file: z.string().min(1).optional(),
  /** The passphrase itself comes from a file or the environment. */
  passphrase: z.boolean().default(false),
});

export const configSchema = z.strictObject({
  backup_dir: z.string().min(1).optional(),
  /** Manual and migration points that are kept. Pinned points stay and do not count, here as for the other kinds. */
  max_rollback_points: z.int().min(1).max(10_000).default(10),
  max_deploy_points: z.int().min(1).max(1000).default(5),
  max_guard_points: z.int().min(1).max(1000).default(3),
  max_heal_points: z.int().min(1).max(1000).default(5),
  max_safety_points: z.int().min(1).max(1000).default(3),
  include_volumes: z.boolean().default(false),
  save_images: z.enum(SAVE_IMAGES).default('never'),
  compression: z.enum(['zstd', 'gzip']).default('zstd'),
  /** Bind-mounted directories outside the project whose contents are data (absolute). */
  data_directories: z.array(z.string().startsWith('/')).default([]),
  /** Further files to record: globs relative to the project directory, or absolute paths outside of it. */
  config_files: z.array(z.string()).default([]),
  /** What `migrate backup` records too, where it is there: globs relative to the project directory. */
  migration_files: z
    .array(z.string())
    .default(['compose/**', 'deploy.sh', 'teardown.sh', 'verify.sh', 'requirements*.txt']),
  /** Points are encrypted when this is there. */
  encryption: encryptionSchema.optional(),
  services: z.record(z.string(), serviceConfigSchema).default({}),
});

export type Config = z.infer<typeof configSchema>;
export const parseServiceConfig = (value: unknown) => serviceConfigSchema.parse(value);
// Not `z.infer`, see `Plan`.
export type ServiceConfig = ReturnType<typeof parseServiceConfig>;
export type Probe = z.infer<typeof probeSchema>;
export type Hook = z.infer<typeof hookSchema>;
