import type { Plan } from '../model/plan.js';
import type { RunKind, RunResult, RunSummary } from '../model/run.js';
import type { Workspace } from '../run/workspace.js';
import { Journal } from '../store/journal.js';

interface Beginning {
  run: string;
  kind: RunKind;
  target: string;
  safety: string;
  undoes: string | null;
  plan: Plan;
}

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
    const record = { at: started, project: project.name, user, pid: process.pid, plan, ...beginning };
    const journal = await Journal.begin(store.dir, { type: 'begin', ...record });
    const { run: id, ...rest } = beginning;
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

  async end(result: RunResult, message: string, warnings: string[]): Promise<void> {
    const at = new Date().toISOString();
    await this.journal.append({ type: 'end', at, result, message, warnings });
    await this.journal.close();
    (await this.workspace.store.writeIndex()).finishRun(this.run, { ended: at, result, message });
  }
}

/** Writes the end of a run that was killed, now that another run took it back. One that ended by itself is left as it is. */
export async function endKilled({ store }: Workspace, { id, ended }: RunSummary, by: string): Promise<void> {
  if (ended !== null) return;
  const at = new Date().toISOString();
  const end = { result: 'returned', message: `killed; taken back by ${by}` } as const;
  const journal = await Journal.resume(store.dir, id);
  await journal.append({ type: 'end', at, ...end, warnings: [] });
  await journal.close();
  (await store.writeIndex()).finishRun(id, { ended: at, ...end });
}
