/**
 * A program that uses the library's main exports. `npm run check` compiles it against src. `package.test.ts` compiles it against the installed
 * package and runs it with a project directory.
 */
import {
  getServiceRollback,
  inconclusive,
  loadDocuments,
  messageOf,
  Migration,
  pass,
  renderPlan,
  RollbackError,
  RollbackManager,
  SCENARIOS,
  VERSION,
  type AnyOperation,
  type AuditRecord,
  type BackOptions,
  type BackupReport,
  type Diagnosis,
  type Engine,
  type ErrorCode,
  type EventSink,
  type Handler,
  type HandlerContext,
  type ListRequest,
  type ManagerOptions,
  type MoveOptions,
  type MoveOutcome,
  type MovePlan,
  type Plan,
  type Point,
  type PointSummary,
  type Readiness,
  type Recovery,
  type RollbackEvent,
  type RollbackOptions,
  type RollbackOutcome,
  type RunSummary,
  type ServiceRollback,
  type UndoOptions,
  type Verdict,
} from '../../src/index.js';

const controller = new AbortController();

const handler: Handler = {
  kind: 'ours',
  matches: (repository) => repository.endsWith('/ours'),
  async verify(context: HandlerContext): Promise<Verdict> {
    const { service, engine, model, config, signal } = context;
    const [container] = await context.containers();
    if (!container) return inconclusive(`${service} does not run`);
    const port: number | undefined = config.port ?? model?.ports[0]?.target;
    const { exitCode } = await engine.exec(container.id, ['nc', '-z', 'localhost', String(port)], { signal });
    return exitCode === 0 ? pass('it listens') : inconclusive(`nothing listens on ${port}`);
  },
  dump: async ({ engine }: { engine: Engine }) => engine.execStream('id', ['dump']),
};

const onEvent: EventSink = (event: RollbackEvent) => {
  if (event.type === 'operation')
    tell(`${event.step} of ${event.total}: ${describeOperation(event.operation)}`);
  if (event.type === 'verdict') tell(event.verdict.reason);
};

const options: ManagerOptions = {
  projectRoot: process.argv[2],
  handlers: [handler],
  onEvent,
  signal: controller.signal,
};

function describeOperation(operation: AnyOperation): string {
  // @ts-expect-error: this line compiles only when the declarations lost the kinds of operations
  if (operation.kind === 'no such operation') return '';
  return operation.kind === 'restore-file' ? `${operation.path}, ${operation.size} bytes` : operation.cause;
}

function summarizePlan(plan: Plan | MovePlan): string {
  // @ts-expect-error: this line compiles only when the declarations lost the type of a plan
  void plan.operations[0]?.noSuchField;
  const hints: (string | null)[] = plan.blockers.map(({ hint }) => hint);
  return [plan.kind, ...hints, renderPlan(plan, '')].join('\n');
}

function summarizePoint({ id, images, metadata, volume_data: data, entries }: Point): string {
  const files: number[] = entries.flatMap((entry) => (entry.type === 'file' ? [entry.size] : []));
  return [
    id,
    metadata.engine.kind,
    metadata.git_commit ?? '-',
    images['api']?.id,
    ...files,
    data[0]?.driver,
  ].join(' ');
}

/** Needs an engine, so it is compiled and not called. */
export async function release(manager: RollbackManager): Promise<RollbackOutcome | MoveOutcome | undefined> {
  const point = await manager.createRollbackPoint({ description: 'before', saveImages: 'auto' });
  tell(summarizePoint(point));
  const confirm = (plan: Plan | MovePlan) => Promise.resolve(summarizePlan(plan) !== '');
  const rollbackOptions: RollbackOptions = { plan: await manager.plan(point.id), confirm };
  const undoOptions: UndoOptions = { confirm, dryRun: true };
  const service: ServiceRollback = getServiceRollback('api', options);
  const verdict: Verdict = await service.verifyHealth();
  if (verdict.status === 'pass') return await manager.undo(undefined, undoOptions);
  const { result, safety } = await manager.rollback(point.id, rollbackOptions);
  tell(`${result}, ${safety ?? 'no safety point'}`);
  await manager.exportPoint(point.id, process.stdout);
  await manager.importPoint(process.stdin);
  return await manager.resume();
}

/** Needs two engines, so it is compiled and not called. */
export async function move(migration = new Migration(options)): Promise<BackupReport> {
  const readiness: Readiness = await migration.validate();
  const diagnosis: Diagnosis = await migration.diagnose();
  const recovery: Recovery = await migration.recover(SCENARIOS[0], { dryRun: true });
  const moveOptions: MoveOptions = { dryRun: true, confirm: async (plan) => plan.risks.length === 0 };
  const backOptions: BackOptions = { keepData: true };
  const { plan, quadlet } = await migration.move('to-podman', moveOptions);
  const back = await migration.rollbackToDocker(backOptions);
  tell(summarizePlan(plan), quadlet?.directory ?? '', recovery.result, back.result);
  tell(readiness.verdict, ...diagnosis.findings.map(({ cause }) => cause));
  return await migration.backup();
}

/** Needs no engine, so it runs. */
async function main(): Promise<void> {
  const manager = new RollbackManager(options);
  const request: ListRequest = { kinds: ['manual', 'deploy'], safety: true };
  const points: PointSummary[] = await manager.listRollbackPoints(request);
  const runs: RunSummary[] = await manager.runs();
  const history: AuditRecord[] = await manager.history({ limit: 3 });
  const { DOCUMENT_NAMES, jsonSchemaOf } = await loadDocuments();
  const schemas = DOCUMENT_NAMES.filter((name) => jsonSchemaOf(name) !== undefined).length;
  const code = await manager.showRollbackPoint('rb-000000000000').then(() => undefined, codeOf);
  const documents = DOCUMENT_NAMES.length;
  tell(JSON.stringify({ version: VERSION, points, runs, history, documents, schemas, code }));
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof RollbackError) return error.code;
  throw new Error(messageOf(error), { cause: error });
}

function tell(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

await main();
