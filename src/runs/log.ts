import { messageOf } from '../model/errors.js';
import type { RunPlan, RunResult, RunSummary } from '../model/run.js';
import type { Workspace } from '../session/workspace.js';
import { Journal } from '../store/journal.js';
import { ownMark } from '../store/process.js';
import type { Store } from '../store/store.js';

/** The facts of a run at its beginning. */
export interface Beginning {
  run: string;
  kind: string;
  target: string;
  safety: string;
  undoes: string | null;
}

type Workshop = Pick<Workspace, 'store' | 'project' | 'user'>;

const ownProcess = async () => ({ pid: process.pid, process: await ownMark() });
const now = () => new Date().toISOString();

/** A run's journal with its line in the index: begun together, ended together. */
export class RunLog {
  private constructor(
    private readonly store: Store,
    readonly journal: Journal,
    readonly run: string,
  ) {}

  /** @param details the plan and what was asked for, as the kind's begin record has them */
  static async begin(
    { store, project, user }: Workshop,
    beginning: Beginning,
    { plan, ...details }: { plan: RunPlan; [key: string]: unknown },
  ): Promise<RunLog> {
    const started = now();
    const sequence = (await store.writeIndex()).takePlace();
    const record = {
      at: started,
      project: project.name,
      user,
      sequence,
      ...(await ownProcess()),
      ...beginning,
    };
    const journal = await Journal.begin(store.dir, {
      type: 'begin',
      ...record,
      ...details,
      plan: await planForJournal(store, plan),
    });
    const { run: id, ...rest } = beginning;
    const summary: RunSummary = {
      ...rest,
      id,
      sequence,
      project: project.name,
      user,
      started,
      ended: null,
      result: null,
      message: null,
    };
    const log = new RunLog(store, journal, id);
    await log.closingOnError(async () => (await store.writeIndex()).insertRun(summary));
    return log;
  }

  /** Goes on with a run whose process died. The plan is null for one that only goes back. */
  static async resume({ store }: Workshop, run: string, plan: RunPlan | null): Promise<RunLog> {
    const stored = plan && (await planForJournal(store, plan));
    const record = { type: 'resume', at: now(), ...(await ownProcess()), plan: stored } as const;
    const journal = await Journal.resume(store.dir, run);
    const log = new RunLog(store, journal, run);
    await log.closingOnError(() => journal.append(record));
    return log;
  }

  private async closingOnError(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      await this.journal.close();
      throw error;
    }
  }

  /** The plan of the way back, before its first operation. */
  async beginReturn(reason: string, plan: Pick<RunPlan, 'operations'>): Promise<void> {
    const stored = await planForJournal(this.store, plan);
    await this.journal.append({ type: 'return', at: now(), reason, plan: stored });
  }

  /** The plan that one operation carries out, before the first operation of that. */
  async beginPart(plan: Pick<RunPlan, 'operations'>): Promise<void> {
    const stored = await planForJournal(this.store, plan);
    await this.journal.append({ type: 'part', at: now(), plan: stored });
  }

  async end(result: RunResult, message: string, warnings: string[]): Promise<void> {
    const at = now();
    await this.closingOnError(() => this.journal.append({ type: 'end', at, result, message, warnings }));
    await this.journal.close();
    (await this.store.writeIndex()).finishRun(this.run, { ended: at, result, message });
  }

  /** For the end of a run that failed, which counts more than a journal that cannot be written. Returns why it could not. */
  async endIfPossible(result: RunResult, message: string): Promise<string[]> {
    return await unlessFailing(() => this.end(result, message, []));
  }

  /** Leaves the run unfinished. Returns why the journal could not be closed. */
  async close(): Promise<string[]> {
    return await unlessFailing(() => this.journal.close());
  }
}

async function unlessFailing(act: () => Promise<void>): Promise<string[]> {
  try {
    await act();
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** A plan as journals keep it: in a store that encrypts, without the hashes of what is inside. */
async function planForJournal(store: Store, plan: Pick<RunPlan, 'operations'>): Promise<object> {
  if (!(await store.hasKey())) return plan;
  const operations = plan.operations.map((operation) =>
    'sha256' in operation ? { ...operation, sha256: '' } : operation,
  );
  return { ...plan, operations };
}
