import * as z from 'zod';
import { operationSchema, planSchema } from './plan.js';
import { pointSchema, type PointSummary } from './point.js';
import { runKindSchema, runResultSchema, type AuditRecord, type RunSummary } from './run.js';

/** The JSON documents of the command line: what `--json` prints and `compose-rollback schema` publishes. */

const { shape } = pointSchema;

const pointSummarySchema = z.object({
  ...z.object(shape).pick({
    id: true,
    timestamp: true,
    description: true,
    kind: true,
    name: true,
    pinned: true,
    services: true,
    docker_images: true,
    config_hashes: true,
    volumes: true,
    sizes: true,
    metadata: true,
  }).shape,
  project: z.string(),
  images: z.record(
    z.string(),
    z.object({ ref: z.string(), id: z.string(), digests: z.array(z.string()), platform: z.string() }),
  ),
}) satisfies z.ZodType<PointSummary>;

const runSummarySchema = z.object({
  id: z.string(),
  kind: runKindSchema,
  project: z.string(),
  started: z.iso.datetime(),
  ended: z.iso.datetime().nullable(),
  result: runResultSchema.nullable(),
  target: z.string(),
  safety: z.string(),
  undoes: z.string().nullable(),
  user: z.string(),
  message: z.string().nullable(),
}) satisfies z.ZodType<RunSummary>;

const auditSchema = z.object({
  at: z.iso.datetime(),
  user: z.string(),
  project: z.string(),
  action: z.string(),
  subjects: z.array(z.string()),
  result: z.enum(['done', 'failed']),
  message: z.string(),
}) satisfies z.ZodType<AuditRecord>;

const differenceSchema = z.object({
  what: z.enum(['file', 'service', 'git']),
  name: z.string(),
  change: z.string(),
});

const statusSchema = z.object({
  project: z.string(),
  directory: z.string(),
  engine: z.object({ kind: z.enum(['docker', 'podman']), version: z.string(), host: z.string() }),
  provider: z.object({ name: z.string(), version: z.string() }),
  services: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      image: z.string().nullable(),
      containers: z.int(),
      health: z.string(),
    }),
  ),
  /** Safety points not counted. */
  points: z.int(),
  latest: pointSummarySchema.nullable(),
  changes: z.array(differenceSchema),
  unfinished: runSummarySchema.nullable(),
  warnings: z.array(z.string()),
});

const removalSchema = z.object({
  /** True when nothing was deleted yet. */
  dry_run: z.boolean(),
  points: z.array(pointSummarySchema),
});

const verdictSchema = z.object({ status: z.enum(['pass', 'fail', 'inconclusive']), reason: z.string() });

/** The end of a run: the last line of its output. */
const resultSchema = z.object({
  type: z.literal('result'),
  result: z.enum(['done', 'nothing-to-do']),
  project: z.string(),
  target: planSchema.shape.target,
  run: z.string().nullable(),
  safety: z.string().nullable(),
  warnings: z.array(z.string()),
  verdicts: z.record(z.string(), verdictSchema),
});

const step = { step: z.int(), total: z.int(), operation: operationSchema };

const eventSchema = z.union([
  z.object({
    type: z.literal('phase'),
    phase: z.enum(['observe', 'plan', 'safety', 'apply', 'verify', 'return']),
    message: z.string(),
  }),
  z.object({ type: z.literal('plan'), plan: planSchema }),
  z.object({ type: z.literal('safety-point'), id: z.string(), run: z.string() }),
  z.object({ type: z.literal('operation'), state: z.literal('doing'), ...step }),
  z.object({
    type: z.literal('operation'),
    state: z.literal('done'),
    ...step,
    note: z.string().nullable(),
  }),
  z.object({ type: z.literal('operation'), state: z.literal('failed'), ...step, error: z.string() }),
  z.object({ type: z.literal('progress'), service: z.string(), message: z.string() }),
  z.object({ type: z.literal('verdict'), service: z.string(), verdict: verdictSchema }),
  z.object({ type: z.literal('warning'), message: z.string() }),
]);

const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.array(z.string()),
    hint: z.string().nullable(),
  }),
  /** Of a dry run that is blocked: the plan with its blockers. */
  plan: planSchema.optional(),
});

/** One line of a run's output. */
const runLineSchema = z.union([eventSchema, resultSchema, errorSchema]);

/** By command; `plan` is what a `--dry-run` prints, `error` what every command prints when it fails. */
export const DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  init: z.object({ config: z.string(), ignored: z.string().nullable() }),
  create: pointSchema,
  list: z.object({ points: z.array(pointSummarySchema) }),
  show: pointSchema,
  diff: z.object({ from: z.string(), to: z.string().nullable(), differences: z.array(differenceSchema) }),
  history: z.object({ history: z.array(auditSchema) }),
  status: statusSchema,
  rollback: runLineSchema,
  'quick-rollback': runLineSchema,
  'rollback-service': runLineSchema,
  undo: runLineSchema,
  plan: planSchema,
  runs: z.object({ runs: z.array(runSummarySchema) }),
  pin: pointSummarySchema,
  unpin: pointSummarySchema,
  delete: removalSchema,
  cleanup: removalSchema,
  verify: z.object({
    points: z.array(
      z.object({
        id: z.string(),
        sound: z.boolean(),
        files: z.int(),
        problems: z.array(z.object({ path: z.string(), problem: z.string() })),
      }),
    ),
  }),
  reindex: z.object({
    points: z.int(),
    runs: z.int(),
    audit: z.int(),
    damaged: z.array(z.object({ what: z.string(), problem: z.string() })),
  }),
  error: errorSchema,
};

/** The JSON Schema of a document; undefined for a name that is none. */
export function jsonSchemaOf(name: string): object | undefined {
  const schema = Object.hasOwn(DOCUMENTS, name) ? DOCUMENTS[name] : undefined;
  return schema && z.toJSONSchema(schema);
}
