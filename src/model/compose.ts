import * as z from 'zod';

/**
 * The resolved compose model: what `docker compose config --format json` prints, as far as we read it. Unknown keys are
 * kept, because the model is stored with the point as it was. Providers with another dialect translate into this one.
 */

const portSchema = z.looseObject({
  /** Port inside the container. */
  target: z.number(),
  /** A port, a range, or nothing for an ephemeral one. */
  published: z.string().optional(),
  host_ip: z.string().optional(),
  protocol: z.string().default('tcp'),
});

const volumeSchema = z.looseObject({
  type: z.string(),
  /** Absolute path of a bind, or the key of a volume; absent for anonymous volumes and tmpfs. */
  source: z.string().optional(),
  target: z.string(),
  read_only: z.boolean().optional(),
});

const fileReferenceSchema = z.looseObject({ source: z.string(), target: z.string().optional() });

const healthcheckSchema = z.looseObject({
  test: z.array(z.string()).optional(),
  interval: z.string().optional(),
  timeout: z.string().optional(),
  start_period: z.string().optional(),
  retries: z.number().optional(),
  disable: z.boolean().optional(),
});

const dependencySchema = z.looseObject({
  condition: z.string().default('service_started'),
  required: z.boolean().optional(),
});

export const composeServiceSchema = z.looseObject({
  image: z.string().optional(),
  build: z.unknown().optional(),
  container_name: z.string().optional(),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  labels: z.record(z.string(), z.string()).default({}),
  ports: z.array(portSchema).default([]),
  expose: z.array(z.string()).default([]),
  volumes: z.array(volumeSchema).default([]),
  configs: z.array(fileReferenceSchema).default([]),
  secrets: z.array(fileReferenceSchema).default([]),
  depends_on: z.record(z.string(), dependencySchema).default({}),
  healthcheck: healthcheckSchema.optional(),
  profiles: z.array(z.string()).default([]),
  network_mode: z.string().optional(),
  restart: z.string().optional(),
  scale: z.number().optional(),
  deploy: z.looseObject({ replicas: z.number().optional() }).optional(),
});

const externalSchema = z.union([z.boolean(), z.looseObject({ name: z.string().optional() })]);

const resourceSchema = z
  .looseObject({ name: z.string().optional(), external: externalSchema.optional() })
  .nullable();

const fileSourceSchema = z.looseObject({ name: z.string().optional(), file: z.string().optional() });

export const composeModelSchema = z.looseObject({
  name: z.string().optional(),
  services: z.record(z.string(), composeServiceSchema).default({}),
  networks: z.record(z.string(), resourceSchema).default({}),
  volumes: z.record(z.string(), resourceSchema).default({}),
  configs: z.record(z.string(), fileSourceSchema).default({}),
  secrets: z.record(z.string(), fileSourceSchema).default({}),
});

/** The model of files that were read in one directory, as if they had been read in the other. */
export function relocateModel(model: ComposeModel, from: string, to: string): ComposeModel {
  if (from === to) return model;
  const inJson = (path: string) => JSON.stringify(path).slice(1, -1);
  const pattern = new RegExp(`${inJson(from).replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}(?=[/:"])`, 'g');
  const text = JSON.stringify(model).replace(pattern, () => inJson(to));
  return composeModelSchema.parse(JSON.parse(text));
}

export type ComposeModel = z.infer<typeof composeModelSchema>;
export const parseComposeService = (value: unknown) => composeServiceSchema.parse(value);
// Not `z.infer`, see `Plan`.
export type ComposeService = ReturnType<typeof parseComposeService>;
export type ComposeHealthcheck = z.infer<typeof healthcheckSchema>;
