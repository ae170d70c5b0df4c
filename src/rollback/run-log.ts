import type { MovePlan } from '../model/move.js';
import type { Plan } from '../model/plan.js';
import type { RunKind, RunRequest, RunResult, RunSummary } from '../model/run.js';
import type { Workspace } from '../run/workspace.js';
import { Journal } from '../store/journal.js';
import { ownMark } from '../store/process.js';
import type { Store } from '../store/store.js';

interface Beginning {
  run: string;
  kind: RunKind;
  target: string;
  safety: string;
  undoes: string | null;
  request: RunRequest;
  plan: Plan | MovePlan;
}

const ownProcess = async () => ({ pid: process.pid, process: await ownMark() });

/** A run's journal with its line in the index: begun together, ended together. */
export class RunLog {
  private constructor(
    private readonly workspace: Workspace,
    readonly journal: Journal,
    readonly run: string,
  ) {}

  static async begin(workspace: Workspace, { plan, ...beginning }: Beginning): Promise<RunLog> {
    const { store, project, user } = workspace;
    const started = new Date().toISOString();
    const record = { at: started, project: project.name, user, ...(await ownProcess()), ...beginning };
    const journal = await Journal.begin(store.dir, {
      type: 'begin',
      ...record,
      plan: await forJournal(store, plan),
    });
    const { run: id, request: _, ...rest } = beginning;
    const summary: RunSummary = {
      ...rest,
      id,
      project: project.name,
      user,
      started,
      ended: null,
      result: null,
      message: null,
    };
    (await store.writeIndex()).insertRun(summary);
    return new RunLog(workspace, journal, id);
  }

  /** Goes on with a run that was killed, by this plan. */
  static async resume(workspace: Workspace, run: string, plan: Plan | MovePlan | null): Promise<RunLog> {
    const journal = await Journal.resume(workspace.store.dir, run);
    await journal.append({ type: 'resume', at: new Date().toISOString(), ...(await ownProcess()), plan });
    return new RunLog(workspace, journal, run);
  }

  async end(result: RunResult, message: string, warnings: string[]): Promise<void> {
    const at = new Date().toISOString();
    await this.journal.append({ type: 'end', at, result, message, warnings });
    await this.journal.close();
    (await this.workspace.store.writeIndex()).finishRun(this.run, { ended: at, result, message });
  }
}

/** A plan as journals keep it: where points are encrypted, without the hashes of what is inside. */
export async function forJournal(store: Store, plan: Plan | MovePlan): Promise<object> {
  if (!(await store.hasKey())) return plan;
  const operations = plan.operations.map((operation) =>
    'sha256' in operation ? { ...operation, sha256: '' } : operation,
  );
  return { ...plan, operations };
}
