import type { Container, EngineIdentity, Image } from '../../model/engine.js';
import type { MoveKind, MovePlan } from '../../model/move.js';
import { ENGINE_NAMES } from '../../model/names.js';
import type { Findings, Remark } from '../../model/plan.js';
import type { Observation } from '../../model/project.js';
import { isUp } from '../../plan/services.js';
import type { Target } from '../../plan/target.js';

/** Everything a plan of a move is made from. */
export interface MoveFacts {
  kind: MoveKind;
  source: Observation;
  target: Observation;
  volumes: VolumeFacts[];
  /** Mounts that could hold data and do not go over, with the reason. */
  left: { path: string; reason: string }[];
  /** Directories with data that both sides mount. */
  shared: string[];
  /** What stands in the way of starting the goal at the target. */
  obstacles: Remark[];
  /** Files of the project that become what they were at the goal. */
  files: string[];
  /** Directories of the machine that both sides share, and why the target's services would not see them as they are. */
  directories: { name: string; services: string[]; problem: string }[];
  /** What images of services that are only built are called there, by service. */
  names: Record<string, string>;
  /** Where the engines are reached; null for one that is there for this command alone. */
  hosts: { source: string | null; target: string | null };
  /** Containers at the target that an earlier move held. */
  held: MovePlan['held'];
  /** Whose files and images the target starts with; undefined for what runs at the source. */
  goal: Target | undefined;
  /** Does the data go over, or does the target start with its own? */
  data: boolean;
  /** The move that this one takes back. */
  undoes: string | null;
  /** Where the target keeps images and volumes, and the bytes that are free there; null where that cannot be told. */
  storage: { directory: string; free: number } | null;
  /** Of the target, for what would be started there. */
  findings: Pick<Findings, 'takenPorts' | 'missingExternal'>;
}

export interface VolumeFacts {
  name: string;
  services: string[];
  /** There is one at the target. */
  existing: boolean;
  from: VolumeAccess;
  to: VolumeAccess;
  /** What its data takes on the disk; 0 where that cannot be told beforehand. */
  bytes: number;
  /** Containers of others, at either side, that run with it. */
  users: string[];
}

/** What reads or writes a volume; null when nothing can, and then why. */
export interface VolumeAccess {
  driver: 'host' | 'api' | null;
  problem: string | null;
}

export const upOf = ({ services }: Observation, service: string): Container[] =>
  (services[service]?.containers ?? []).filter(isUp);

export const runningServices = (observation: Observation): string[] =>
  Object.keys(observation.services).filter((service) => upOf(observation, service).length > 0);

export function engineName({ kind, rootless }: Pick<EngineIdentity, 'kind' | 'rootless'>): string {
  return `${rootless ? 'rootless ' : ''}${ENGINE_NAMES[kind]}`;
}

/** The images of all containers, with what they are called at the target. */
export function imagesOf({ source, names }: MoveFacts): { image: string; ref: string }[] {
  return Object.values(source.services).flatMap(({ name, containers }) =>
    containers.map(({ imageId, imageRef }) => ({ image: imageId, ref: names[name] ?? imageRef })),
  );
}

/** Each image under each name, unless the target has the very same there. None where the goal's are there already. */
export function imagesToCarry(facts: MoveFacts): { image: string; ref: string }[] {
  const { source, target, goal } = facts;
  if (goal) return [];
  const missing = imagesOf(facts).filter(
    ({ image, ref }) => !isSameImage(source, source.images[image], target, target.images[ref]),
  );
  return [...new Map(missing.map((one) => [`${one.image} ${one.ref}`, one])).values()];
}

type Side = Pick<Observation, 'engine'>;
type Found = Image | null | undefined;

/** By the digests of their configurations where both stores tell these, and Docker saves its images with them; else by their layers. */
export function isSameImage(here: Side, image: Found, there: Side, other: Found): boolean {
  if (!image || !other) return false;
  const isTold = [here, there].every(({ engine }) => engine.imageIdIsConfigDigest);
  if (isTold && here.engine.kind === 'docker') return image.id === other.id;
  return image.diffIds.join() === other.diffIds.join();
}
