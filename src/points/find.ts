import { RollbackError } from '../model/errors.js';
import { LATEST_KINDS, parsePointSelector, quoted } from '../model/names.js';
import type { Point, PointSummary } from '../model/point.js';
import { type ComposeModel, composeModelSchema } from '../model/compose.js';
import type { Target } from '../plan/target.js';
import type { IndexDb } from '../store/index-db.js';
import { isUnreadable } from '../store/point-reader.js';
import type { Store } from '../store/store.js';

/** The point a person means. Throws `no-such-point`, or `usage` for text that cannot mean one or means several. */
export async function findPoint(store: Store, project: string, text: string): Promise<PointSummary> {
  const selector = parsePointSelector(text);
  const index = await store.readIndex();
  switch (selector.by) {
    case 'latest':
      return (
        index?.latest(project, selector.back, LATEST_KINDS) ??
        none(
          selector.back === 0
            ? `project ${project} has no ${LATEST_KINDS.join(' or ')} points`
            : `project ${project} has too few ${LATEST_KINDS.join(' or ')} points for ${text}`,
        )
      );
    case 'name':
      return index?.pointByName(project, selector.name) ?? none(`no point is named ${quoted(text)}`);
    case 'id': {
      const points = index?.points({ project }) ?? [];
      const [found, ...others] = points.filter((point) => point.id.startsWith(selector.prefix));
      if (!found) return index ? notHere(index, project, text) : none(`no point has the id ${text}`);
      if (others.length === 0) return found;
      throw new RollbackError(
        'usage',
        `${text} could be ${[found, ...others].map(({ id }) => id).join(', ')}`,
        {
          hint: 'give more of its id',
        },
      );
    }
  }
}

/** The backup directory may be shared: then it helps to know whose the point is. */
function notHere(index: IndexDb, project: string, prefix: string): never {
  const other = index.points().find((point) => point.id.startsWith(prefix));
  if (!other) return none(`no point has the id ${prefix}`);
  throw new RollbackError(
    'no-such-point',
    `${other.id} is a point of project ${other.project}, not of ${project}`,
    {
      hint: `say so with -p ${other.project}, if that is the project you mean`,
    },
  );
}

function none(message: string): never {
  throw new RollbackError('no-such-point', message, {
    hint: '`compose-rollback list` shows the points, `compose-rollback create` makes one',
  });
}

/** The point a person means, opened. Throws as `findPoint` and `openTarget`. */
export async function findTarget(store: Store, project: string, text: string): Promise<Target> {
  return openTarget(store, (await findPoint(store, project, text)).id);
}

/** Undefined for a point that is damaged, or encrypted with no key at hand: others go on without it. */
export async function readIfOpen(store: Store, id: string): Promise<Point | undefined> {
  try {
    return await store.read(id);
  } catch (error) {
    const closed = error instanceof RollbackError && (isUnreadable(error) || error.code === 'cannot-decrypt');
    if (closed) return undefined;
    throw error;
  }
}

/** Opens a point with its secret half. Throws `damaged` when stored bytes are not what was recorded. */
export async function openTarget(store: Store, id: string): Promise<Target> {
  const point = await store.read(id);
  const [{ model, variables }, facts] = await Promise.all([store.readModel(point), store.readFacts(point)]);
  return { point, stored: true, model: model === null ? undefined : readModel(id, model), variables, facts };
}

function readModel(id: string, stored: unknown): ComposeModel {
  const { success, data } = composeModelSchema.safeParse(stored);
  if (success) return data;
  throw new RollbackError('damaged', `the compose model of point ${id} is none`, {
    hint: 'use another point',
  });
}
