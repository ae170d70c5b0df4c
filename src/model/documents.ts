import * as z from 'zod';
import { moveOperationSchema, movePlanSchema } from './move.js';
import { operationSchema, planSchema } from './plan.js';
import { pointSchema, type PointSummary } from './point.js';
import { CATEGORIES, GRADES, VERDICTS, type Readiness } from './readiness.js';
import { RECOVERY_RESULTS, SCENARIOS } from './recovery.js';
import { RUN_RESULTS, type AuditRecord, type RunSummary } from './run.js';

/** The JSON documents of the command line: what `--json` prints and `compose-rollback schema` publishes. */

const { shape } = pointSchema;

const pointSummarySchema = z.object({
  ...z.object(shape).pick({
    id: true,
    sequence: true,
    timestamp: true,
    description: true,
    kind: true,
    name: true,
    pinned: true,
    services: true,
    failing: true,
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
  /** Only of an encrypted point. */
  sealed: z.literal(true).optional(),
}) satisfies z.ZodType<PointSummary>;

const runSummarySchema = z.object({
  id: z.string(),
  sequence: z.int().nonnegative(),
  kind: z.string(),
  project: z.string(),
  started: z.iso.datetime(),
  ended: z.iso.datetime().nullable(),
  result: z.enum(RUN_RESULTS).nullable(),
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
  what: z.enum(['file', 'service', 'network', 'volume', 'git']),
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
  /** Manual, deploy and migration points. */
  points: z.int(),
  latest: pointSummarySchema.nullable(),
  changes: z.array(differenceSchema),
  replaced: z.array(
    z.object({
      service: z.string(),
      differences: z.array(z.object({ key: z.string(), change: z.string() })),
    }),
  ),
  unfinished: runSummarySchema.nullable(),
  warnings: z.array(z.string()),
});

const removalSchema = z.object({
  /** True when nothing was deleted yet. */
  dry_run: z.boolean(),
  points: z.array(pointSummarySchema),
});

const verdictSchema = z.object({ status: z.enum(['pass', 'fail', 'inconclusive']), reason: z.string() });

/** The result of the comparison at the end of a run. */
const proofSchema = z.object({
  facts: z.int().nullable(),
  files: z.int(),
  volumes: z.int(),
  differences: z.array(
    z.object({
      what: z.enum(['service', 'network', 'volume']),
      name: z.string(),
      key: z.string(),
      change: z.string(),
    }),
  ),
  defaults: z.array(z.string()),
});

/** The end of a run: the last line of its output. */
const resultSchema = z.object({
  type: z.literal('result'),
  result: z.enum(['done', 'nothing-to-do']),
  project: z.string(),
  target: planSchema.shape.target,
  not_covered: planSchema.shape.not_covered,
  run: z.string().nullable(),
  safety: z.string().nullable(),
  warnings: z.array(z.string()),
  verdicts: z.record(z.string(), verdictSchema),
  /** Null when nothing was run. */
  proof: proofSchema.nullable(),
});

const step = { step: z.int(), total: z.int(), operation: z.union([operationSchema, moveOperationSchema]) };

const eventSchema = z.union([
  z.object({
    type: z.literal('phase'),
    phase: z.enum(['observe', 'plan', 'data', 'safety', 'apply', 'verify', 'return']),
    message: z.string(),
  }),
  z.object({ type: z.literal('plan'), plan: planSchema }),
  z.object({ type: z.literal('move-plan'), plan: movePlanSchema }),
  z.object({ type: z.literal('safety-point'), id: z.string(), run: z.string() }),
  z.object({ type: z.literal('operation'), state: z.literal('doing'), ...step }),
  z.object({
    type: z.literal('operation'),
    state: z.literal('done'),
    ...step,
    note: z.string().nullable(),
  }),
  z.object({ type: z.literal('operation'), state: z.literal('failed'), ...step, error: z.string() }),
  z.object({
    type: z.literal('bytes'),
    what: z.string(),
    done: z.int(),
    total: z.int().nullable(),
  }),
  z.object({ type: z.literal('progress'), service: z.string(), message: z.string() }),
  z.object({ type: z.literal('verdict'), service: z.string(), verdict: verdictSchema }),
  z.object({ type: z.literal('warning'), message: z.string() }),
]);

const storedProblemSchema = z.object({ path: z.string(), problem: z.string() });

const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.array(z.string()),
    hint: z.string().nullable(),
  }),
  /** Of a dry run that is blocked: the plan with its blockers. */
  plan: z.union([planSchema, movePlanSchema]).optional(),
});

/** The end of `resume` or `abort` where there was no run to finish, or it was taken back. */
const recoverySchema = z.object({
  type: z.literal('result'),
  result: z.enum(['returned', 'nothing-to-do']),
  run: z.string().nullable(),
});

const quadletSchema = z.object({
  project: z.string(),
  podman: z.string(),
  /** Null when nothing was written. */
  directory: z.string().nullable(),
  units: z.array(z.object({ name: z.string(), text: z.string() })),
  environments: z.array(z.object({ name: z.string(), variables: z.array(z.string()) })),
  remarks: z.array(z.object({ about: z.string(), remark: z.string() })),
});

/** What a move prints, one a line. */
const moveLineSchema = z.union([
  eventSchema,
  z.object({
    type: z.literal('move-result'),
    result: z.literal('done'),
    project: z.string(),
    source: movePlanSchema.shape.source,
    target: movePlanSchema.shape.target,
    run: z.string().nullable(),
    point: z.string().nullable(),
    warnings: z.array(z.string()),
    proof: proofSchema.nullable(),
    /** The units that were written with it. */
    quadlet: quadletSchema.nullable(),
    verdicts: z.record(z.string(), verdictSchema),
  }),
  errorSchema,
]);

const finalizeSchema = z.object({
  result: z.enum(['planned', 'done', 'nothing-to-do']),
  engine: z.string(),
  containers: z.array(z.string()),
  networks: z.array(z.string()),
  volumes: z.array(z.string()),
  point: z.string().nullable(),
});

const backupSchema = z.object({
  /** Null when none was made: with --verify-only. */
  point: z.string().nullable(),
  directory: z.string(),
  services: z.array(z.string()),
  files: z.array(z.object({ path: z.string(), size: z.int() })),
  volumes: z.array(z.string()),
  images: z.array(z.object({ ref: z.string(), id: z.string(), archived: z.boolean() })),
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
  warnings: z.array(z.string()),
  replaced: z.string().nullable(),
  existing: z
    .object({ point: z.string(), sound: z.boolean(), problems: z.array(storedProblemSchema) })
    .nullable(),
});

const findingSchema = z.object({
  scenario: z.enum(SCENARIOS),
  service: z.string().nullable(),
  cause: z.string(),
  evidence: z.string(),
  fix: z.string(),
});

const diagnosisSchema = z.object({ findings: z.array(findingSchema), warnings: z.array(z.string()) });

const recoverSchema = z.object({
  scenario: z.enum(SCENARIOS),
  result: z.enum(RECOVERY_RESULTS),
  findings: z.array(findingSchema),
  steps: z.array(z.string()),
  obstacles: z.array(findingSchema),
  /** What a step failed with. */
  problem: z.string().nullable(),
  left: z.array(findingSchema),
  others: z.array(findingSchema),
  warnings: z.array(z.string()),
});

const readinessSchema = z.object({
  project: z.string(),
  directory: z.string(),
  verdict: z.enum(VERDICTS),
  target: z.object({ podman: z.string().nullable(), rootless: z.boolean(), provider: z.string().nullable() }),
  checks: z.array(
    z.object({
      id: z.string(),
      category: z.enum(CATEGORIES),
      grade: z.enum(GRADES),
      service: z.string().nullable(),
      finding: z.string(),
      why: z.string(),
      fix: z.string().nullable(),
      rewrite: z.string().nullable(),
    }),
  ),
  fixed: z.array(z.string()),
  report: z.string().nullable(),
}) satisfies z.ZodType<Readiness>;

/** One line of a run's output. */
const runLineSchema = z.union([eventSchema, resultSchema, errorSchema]);

/** By command; `plan` is what a `--dry-run` prints, `error` what every command prints when it fails. */
export const DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  init: z.object({ config: z.string(), ignored: z.string().nullable() }),
  create: pointSchema,
  list: z.object({
    points: z.array(
      pointSummarySchema.extend({
        /** With --sizes: bytes that go when it is deleted, and bytes that other points have too. */
        usage: z.object({ own: z.int(), shared: z.int() }).optional(),
      }),
    ),
    /** With --sizes: bytes of all points, of every kind, each file counted once. */
    total: z.int().optional(),
  }),
  show: pointSchema,
  diff: z.object({ from: z.string(), to: z.string().nullable(), differences: z.array(differenceSchema) }),
  history: z.object({ history: z.array(auditSchema) }),
  status: statusSchema,
  rollback: runLineSchema,
  'quick-rollback': runLineSchema,
  'rollback-service': runLineSchema,
  undo: z.union([runLineSchema, moveLineSchema]),
  resume: z.union([runLineSchema, moveLineSchema, recoverySchema]),
  abort: z.union([runLineSchema, recoverySchema]),
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
        problems: z.array(storedProblemSchema),
        /** Of an encrypted point without its key: what is inside was not looked at. */
        ciphertext_only: z.literal(true).optional(),
        /** With --drill. */
        drill: z
          .object({ verdicts: z.record(z.string(), verdictSchema), warnings: z.array(z.string()) })
          .optional(),
      }),
    ),
  }),
  export: z.object({
    id: z.string(),
    project: z.string(),
    file: z.string(),
    files: z.int(),
    bytes: z.int(),
  }),
  import: z.object({
    id: z.string(),
    project: z.string(),
    already: z.boolean(),
    files: z.int(),
    bytes: z.int(),
    images: z.array(
      z.object({ ref: z.string(), id: z.string(), where: z.enum(['engine', 'archive', 'nowhere']) }),
    ),
  }),
  reindex: z.object({
    points: z.int(),
    runs: z.int(),
    audit: z.int(),
    damaged: z.array(z.object({ what: z.string(), problem: z.string() })),
  }),
  'backup-dir-show': z.object({
    path: z.string(),
    origin: z.enum(['flag', 'environment', 'setting', 'found', 'recorded', 'folder-gone', 'undecided']),
  }),
  'backup-dir-move': z.object({ from: z.string(), to: z.string() }),
  'migrate-backup': backupSchema,
  'migrate-diagnose': diagnosisSchema,
  'migrate-recover': recoverSchema,
  'migrate-validate': readinessSchema,
  'migrate-quadlet': quadletSchema,
  'migrate-plan': movePlanSchema,
  'migrate-to-podman': moveLineSchema,
  'migrate-to-docker': moveLineSchema,
  'migrate-rollback-to-docker': z.union([moveLineSchema, runLineSchema]),
  'migrate-finalize': finalizeSchema,
  error: errorSchema,
};

/** Result of `loadDocuments`. */
export interface Documents {
  DOCUMENT_NAMES: readonly string[];
  /** The JSON Schema of a document; undefined for an unknown name. */
  jsonSchemaOf: (name: string) => object | undefined;
}

export const DOCUMENT_NAMES: Documents['DOCUMENT_NAMES'] = Object.keys(DOCUMENTS);

export function jsonSchemaOf(name: string): object | undefined {
  const schema = Object.hasOwn(DOCUMENTS, name) ? DOCUMENTS[name] : undefined;
  return schema && z.toJSONSchema(schema);
}
