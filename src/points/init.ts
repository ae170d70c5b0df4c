import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { RollbackError } from '../model/errors.js';
import { withoutKeys } from '../model/secrets.js';
import { hasCode, isInside, isMissing } from '../project/paths.js';

/** Setting a project up: a `rollback.yaml` to edit, and a backup directory that git leaves alone. */

export interface InitReport {
  /** Absolute path of the settings file that was written. */
  config: string;
  /** The line that was added to the project's `.gitignore`; null when git needs none. */
  ignored: string | null;
}

/** Throws `usage` when there is a `rollback.yaml` already; it is never overwritten. */
export async function initProject(place: { directory: string; backupDir: string }): Promise<InitReport> {
  const config = join(place.directory, 'rollback.yaml');
  try {
    await writeFile(config, SETTINGS, { flag: 'wx' });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) {
      throw new RollbackError('usage', `${config} is there already; nothing was changed`, {
        hint: 'edit it, or move it away and try again',
      });
    }
    if (!hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC')) throw error;
    throw new RollbackError('failed', `${config} cannot be written`, {
      hint: 'look at the permissions of the project directory and the space left there',
      cause: error,
    });
  }
  return { config, ignored: await ignoreInGit(place) };
}

async function ignoreInGit(place: { directory: string; backupDir: string }): Promise<string | null> {
  const { directory, backupDir } = place;
  if (backupDir === directory || !isInside(directory, backupDir)) return null;
  const path = `${relative(directory, backupDir)}/`;
  // 0: ignored, 1: not ignored, 128: no repository; undefined: no git.
  const { exitCode } = await execa('git', ['check-ignore', '--quiet', '--', path], {
    cwd: directory,
    env: withoutKeys(process.env),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  if (exitCode !== 1) return null;
  const file = join(directory, '.gitignore');
  const before = await readIfThere(file);
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  const line = `/${path}`;
  await writeFile(file, `${gap}${line}\n`, { flag: 'a' });
  return line;
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

/** Every setting there is, with its default or an example. A test holds it against the schema. */
const SETTINGS = `# Settings of compose-rollback. Everything is optional; take away a leading "# " to change a setting.
# The same keys may stand below x-rollback: in the compose file, and those of one service in its labels
# (rollback.port: "8080"). Later wins: this file, x-rollback, labels.

# Where points are kept, relative to this file; a state directory when a build of the project would read rollback/backups.
# backup_dir: rollback/backups

# How many points are kept. Each setting counts its own kind; pinned points stay and do not count.
# max_rollback_points: 10       # points that you make, for a migration too
# max_deploy_points: 5          # points from before a deploy
# max_guard_points: 3           # last good states
# max_heal_points: 5            # points from before services were healed
# max_safety_points: 3          # points from before a rollback, for undo

# Record volume data without being asked to.
# include_volumes: false

# Archive images: always, never, or auto: those that no registry can give back.
# save_images: never

# How volume data is compressed: zstd or gzip.
# compression: zstd

# Bind-mounted directories outside the project whose contents are data (absolute).
# data_directories: []

# Further configuration to record: globs in the project, or absolute paths outside of it.
# config_files: []

# What \`migrate backup\` records too, beside the services' build files: globs in the project.
# migration_files: [compose/**, deploy.sh, teardown.sh, verify.sh, requirements*.txt]

# Encrypt new points with age: for recipients (age1…), or with a passphrase; not both. Reading them then takes
# --identity FILE, or a passphrase from COMPOSE_ROLLBACK_PASSPHRASE_FILE or COMPOSE_ROLLBACK_PASSPHRASE.
# encryption:
#   recipients: [age1yourpublickey]
#   recipients_file: ./recipients.txt
#   passphrase: false

# What single services need. Durations: 500ms, 30s, 2m, 1h.
# services:
#   api:
#     handler: api              # redis, api, prometheus, grafana, postgres, generic; by image and name when absent
#     port: 8000                # the container's own port
#     health_path: /health      # for the api handler
#     health_timeout: 30s       # how long it may take to become healthy
#     needs: [redis]            # checked before the api handler goes on; depends_on when absent
#     probes:                   # replace the handler's own check
#       - http: /health
#         port: 8000
#         expect: { status: 200, text: ok }
#         timeout: 5s
#         retries: 10
#         interval: 1s
#       - tcp: 8000
#       - exec: [test, -e, /tmp/ready]
#         expect: { exit_code: 0 }
#     consistency: pause        # while its volumes are recorded: pause, stop, hook (it is prepared, and writes on) or live
#     before_rollback:          # exec: in the container; run: on this machine, in the project directory
#       - exec: [touch, /tmp/maintenance]
#         timeout: 10s
#     after_rollback:
#       - run: [./scripts/notify.sh]
#         on_failure: continue  # or stop
`;
