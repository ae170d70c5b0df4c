import type { ManagerOptions } from './options.js';
import { change, look } from './access.js';
import type { Diagnosis } from './migrate/finding.js';
import { locatePlace } from './wiring.js';
import type { BackupReport, BackupRequest } from './migrate/backup.js';

/** Moving a project between Docker and Podman: the use-cases. Every method throws RollbackError and nothing else on purpose. */
export class Migration {
  constructor(private readonly options: ManagerOptions = {}) {}

  /** Records the project as a pinned point that `.docker-backup` leads to; or only tells what would be recorded, and whether the backup that is there is whole. */
  async backup(request: BackupRequest & { verifyOnly?: boolean | undefined } = {}): Promise<BackupReport> {
    const { assertFinished, makeBackup, previewBackup } = await import('./work.js');
    if (request.verifyOnly) return look(this.options, (workspace) => previewBackup(workspace, request));
    return change(
      this.options,
      'migrate backup',
      ({ point }) => (point === null ? [] : [point]),
      async (workspace) => {
        await assertFinished(workspace);
        return makeBackup(workspace, request);
      },
    );
  }

  /** Names what is wrong with the project, its engine or Podman, and logs it to `migration-recovery.log`. */
  async diagnose(): Promise<Diagnosis> {
    const { diagnose, diagnoseAll } = await import('./work.js');
    return diagnoseAll(
      this.options.env ?? process.env,
      () => look(this.options, diagnose),
      async () => ({ directory: (await locatePlace(this.options)).directory }),
    );
  }
}
