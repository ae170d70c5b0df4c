import { RollbackError } from './errors.js';

/** Ids and names that reach us from outside, and what they may look like. No schema library here: `list` loads this. */

export const POINT_ID = /^rb-[0-9a-f]{12}$/;
export const RUN_ID = /^run-[0-9a-f]{12}$/;
/** A point's name starts with a letter, so it can neither be an option nor a path. */
export const POINT_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

export const POINT_KINDS = ['manual', 'deploy', 'guard', 'heal', 'safety', 'migration'] as const;
export type PointKind = (typeof POINT_KINDS)[number];

/** The kinds that `latest` selects from: a person or a deploy recorded that state to come back to it. */
export const LATEST_KINDS = ['manual', 'deploy'] as const satisfies readonly PointKind[];

/** The kinds that lists show without being asked. Runs, `guard` and healing make the others by themselves, and many of them. */
export const LISTED_KINDS = ['manual', 'deploy', 'migration'] as const satisfies readonly PointKind[];

/** Throws `usage` for text that is no kind of point. */
export function parsePointKind(text: string): PointKind {
  const kind = POINT_KINDS.find((known) => known === text);
  if (kind) return kind;
  throw new RollbackError('usage', `${quoted(text)} is not a kind of point`, {
    hint: `give one of ${POINT_KINDS.join(', ')}`,
  });
}

/** The kinds that a list shows. Throws `usage` for an unknown kind: a program without types may give any text. */
export function selectKinds(kinds: readonly PointKind[] = LISTED_KINDS, withSafety = false): PointKind[] {
  return [...kinds.map(parsePointKind), ...(withSafety ? (['safety'] as const) : [])];
}

const RESERVED_NAME = /^(?:latest(?:~\d+)?|rb-[0-9a-f]*)$/;
const LATEST = /^latest(?:~(\d{1,6}))?$/;

/** Throws `usage` unless `name` can name a point. */
export function assertPointName(name: string): void {
  if (!POINT_NAME.test(name) || RESERVED_NAME.test(name)) {
    throw new RollbackError('usage', `${quoted(name)} cannot be the name of a point`, {
      hint: 'a name starts with a letter, then letters, digits, ".", "_" or "-", 64 at most; "latest" and "rb-…" are taken',
    });
  }
}

const MAX_DESCRIPTION = 500;

/** Throws `usage` for a description that is longer than 500 characters or more than one line of plain text. */
export function assertDescription(text: string): void {
  if (text.length > MAX_DESCRIPTION) {
    throw new RollbackError(
      'usage',
      `the description has ${text.length} characters; ${MAX_DESCRIPTION} fit`,
      {
        hint: 'shorten it',
      },
    );
  }
  if (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text)) {
    throw new RollbackError(
      'usage',
      `the description ${quoted(text)} has line breaks or control characters`,
      {
        hint: 'give one line of plain text',
      },
    );
  }
}

/** How a person may point at a point: `latest`, `latest~2`, an id or a unique prefix of one, or a name. */
export type PointSelector =
  { by: 'latest'; back: number } | { by: 'id'; prefix: string } | { by: 'name'; name: string };

/** Throws `usage` for text that can be none of them, which covers every path and control character. */
export function parsePointSelector(text: string): PointSelector {
  const latest = LATEST.exec(text);
  if (latest) return { by: 'latest', back: Number(latest[1] ?? 0) };
  if (/^rb-[0-9a-f]{0,12}$/.test(text)) return { by: 'id', prefix: text };
  if (POINT_NAME.test(text)) return { by: 'name', name: text };
  throw new RollbackError('usage', `${quoted(text)} is neither the id nor the name of a point`, {
    hint: 'give an id such as rb-a1b2c3d4e5f6, a unique prefix of one, a name, or latest; `compose-rollback list` shows them',
  });
}

/** Text from outside made safe to print: quoted, control characters escaped, cut in the middle: a path's end tells most. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 39)}…${text.slice(-80)}` : text);
}

/** Repository of the tags that keep images; never pushed. */
export const KEPT_REPOSITORY = 'compose-rollback/kept';

/** Repository of the tags that drills use images under. */
export const DRILL_REPOSITORY = 'compose-rollback/drill';

/** The tag that keeps an image for a point: one an image a point. */
export function keptTag(point: string, imageId: string): string {
  return `${KEPT_REPOSITORY}:${point}-${imageId.replace(/^sha256:/, '').slice(0, 12)}`;
}

/** What `migrate backup` leaves in the project directory: the way to its point. Never configuration, never data. */
export const MIGRATION_BACKUP = '.docker-backup';

/** Is a path of the project (relative) that directory, in it, or what a killed one left of it? */
export function isMigrationBackup(path: string): boolean {
  const [first] = path.split('/', 1);
  return ['', '.new', '.old'].some((end) => first === MIGRATION_BACKUP + end);
}

/** What the programs that a run starts carry in their environment, their own children included: its id. */
export const RUN_VARIABLE = 'COMPOSE_ROLLBACK_RUN';

/** What people call the engines. */
export const ENGINE_NAMES = { docker: 'Docker', podman: 'Podman' } as const;
