import type { ComposeModel } from '../../model/compose.js';
import { RollbackError } from '../../model/errors.js';
import type { MovePlan } from '../../model/move.js';
import { keptTag } from '../../model/names.js';
import type { Point } from '../../model/point.js';
import {
  addData,
  chooseCopier,
  locateData,
  makePlace,
  mountOnce,
  type DataToStore,
} from '../../operations/data.js';
import { manifestDifferences, manifestOf } from '../../volumes/manifest.js';
import { siblingPath } from '../../volumes/host-siblings.js';
import type { Sides } from '../../runs/access-both.js';

/** How images and the data of volumes go from one engine to the other. The source is only ever read. */

type Volume = MovePlan['volumes'][number];

/** The target has the image under its name, and a tag keeps it there for the point. Throws `failed` when the archive brings another one. */
export async function carryImage(
  { source, target }: Sides,
  point: string,
  id: string,
  ref: string,
): Promise<void> {
  const image = await source.engine.image(id);
  if (!image) throw new RollbackError('failed', `the image ${id} is gone from the source`);
  const loaded = await target.engine.loadImages(await source.engine.saveImage(id));
  for (const reference of [...loaded, id]) {
    const found = await target.engine.image(reference);
    if (found?.diffIds.join() !== image.diffIds.join()) continue;
    await target.engine.tag(found.id, ref);
    await target.engine.tag(found.id, keptTag(point, id));
    return;
  }
  throw new RollbackError('failed', `the target took the archive of ${ref} and does not have its image`);
}

/** Carries the volumes of one move: twice each, while the services run and once they do not. */
export class Carrier {
  /** By volume, what the list of its files was when it was carried; null when that could not be told. */
  readonly #carried = new Map<string, string | null>();

  constructor(
    private readonly sides: Sides,
    private readonly run: string,
    private readonly model: ComposeModel | undefined,
  ) {}

  /** Copies all of it beside its place at the target. What goes through an engine waits until the services are down. */
  async carry(volume: Volume): Promise<void> {
    const { source, target } = await this.#ends(volume);
    if (target.copier.driver === 'host' && source.copier.driver === 'host') await this.#stage(volume, true);
  }

  /** What the place holds at the target is what it holds at the source: copied, compared, exchanged. Throws `failed` when it is not the same. */
  async sync(volume: Volume, safety: Point): Promise<void> {
    const { source, target } = await this.#ends(volume);
    const { signal } = this.sides.target;
    if (target.copier.driver === 'api') {
      if (volume.existing) await addData(this.sides.target, safety.id, target, volume.services);
      const { stream } = await source.copier.copier.archive(source.place, { compression: 'none', signal });
      await target.copier.copier.refill(target.place, stream, 'none', signal);
      await this.#compare(volume, source, target);
      return;
    }
    if (!volume.existing) await mountOnce(this.sides.target, this.model, volume.name);
    if (!(await this.#isUnchanged(volume, source))) await this.#stage(volume, false);
    const staged = { ...target.place, path: siblingPath(target.place, this.run, 'staged') };
    await this.#compare(volume, source, { ...target, place: staged });
    await target.copier.copier.swap(target.place, this.run);
  }

  async #stage(volume: Volume, live: boolean): Promise<void> {
    const { source, target } = await this.#ends(volume);
    if (target.copier.driver !== 'host') return;
    const { emit, signal } = this.sides.source;
    const { name } = volume;
    const progress = (done: number) => emit({ type: 'bytes', what: name, done, total: null });
    const options = { compression: 'none', live, progress, signal } as const;
    const { stream, contents } = await source.copier.copier.archive(source.place, options);
    await target.copier.copier.stage(target.place, this.run, stream, 'none', signal);
    this.#carried.set(name, (await contents).listing);
  }

  async #isUnchanged({ name }: Volume, { copier, place }: DataToStore): Promise<boolean> {
    const carried = this.#carried.get(name) ?? null;
    if (carried === null || copier.driver !== 'host') return false;
    await copier.copier.settle(place);
    return (await copier.copier.listing(place)).digest === carried;
  }

  async #compare({ name }: Volume, source: DataToStore, target: DataToStore): Promise<void> {
    const { signal } = this.sides.target;
    const [here, there] = await Promise.all(
      [source, target].map(({ copier, place }) => manifestOf(copier.copier, place, signal)),
    );
    const details = here && there ? manifestDifferences(here, there) : [];
    if (details.length === 0) return;
    throw new RollbackError('failed', `the data of ${name} is not the same at the target: ${details[0]}`, {
      details,
    });
  }

  async #ends(volume: Volume): Promise<{ source: DataToStore; target: DataToStore }> {
    const data = { kind: 'volume', name: volume.name } as const;
    const { source, target } = this.sides;
    const place = await locateData(source, data);
    const copier = place && (await chooseCopier(source, place));
    if (!place || !copier || copier.driver === null) {
      throw new RollbackError('failed', `the data of ${volume.name} cannot be read any more`);
    }
    return {
      source: { place, copier },
      target: await makePlace(target, { model: this.model, project: target.project }, data),
    };
  }
}
