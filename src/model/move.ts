import * as z from 'zod';
import { remarkSchema } from './plan.js';

/** The plan of a move between engines: what would be done, as data. */

export const MOVE_FORMAT = 1;

const base = { /** Why this is done, for a person. */ cause: z.string() };
const services = z.array(z.string());

export const moveOperationSchema = z.discriminatedUnion('kind', [
  /** An image goes over, under its name. */
  z.object({ kind: z.literal('carry-image'), image: z.string(), ref: z.string(), ...base }),
  /** The data of a volume is copied beside its place at the target, while services run at the source. */
  z.object({ kind: z.literal('carry-volume'), volume: z.string(), ...base }),
  /** The source's engine starts none of these containers by itself any more. */
  z.object({ kind: z.literal('hold-source'), containers: z.array(z.string()), ...base }),
  /** Containers of the source stop, and stay. */
  z.object({ kind: z.literal('stop-source'), services, containers: z.array(z.string()), ...base }),
  /** What changed since it was carried is copied too, both sides are compared, and it takes its place. */
  z.object({ kind: z.literal('sync-volume'), volume: z.string(), ...base }),
  /** Containers that an earlier move held get their restart policies back. */
  z.object({ kind: z.literal('release-target'), containers: z.array(z.string()), ...base }),
  /** The provider makes and starts the services at the target; they are verified. */
  z.object({ kind: z.literal('start-target'), services, ...base }),
  /** What was there before goes into the safety point. */
  z.object({ kind: z.literal('keep-replaced'), volume: z.string(), ...base }),
  /** The empty directory that a new volume was exchanged against goes. */
  z.object({ kind: z.literal('discard-parked'), volume: z.string(), ...base }),

  /** Resuming: the target's own data takes its place again, before the source's is copied once more. */
  z.object({ kind: z.literal('unswap-volume'), volume: z.string(), ...base }),

  /** Going back: containers of the source get their restart policies back and start. */
  z.object({ kind: z.literal('start-source'), services, containers: z.array(z.string()), ...base }),
  /** Going back: the target is as its safety point says, with the data that it had then, or with the data that it has. */
  z.object({ kind: z.literal('return-target'), data: z.boolean(), ...base }),
  /** Going back: the target's engine starts none of these containers by itself. */
  z.object({ kind: z.literal('hold-target'), containers: z.array(z.string()), ...base }),
  /** Going back: a volume that the move made at the target, and that nothing was started with, goes. */
  z.object({ kind: z.literal('remove-volume'), volume: z.string(), ...base }),
]);

const heldSchema = z.object({ id: z.string(), restart: z.string() });

const sideSchema = z.object({
  kind: z.enum(['docker', 'podman']),
  /** The engine's own id. */
  id: z.string(),
  /** Null for one that was started for a command: another command starts its own. */
  host: z.string().nullable(),
  version: z.string(),
  rootless: z.boolean(),
  provider: z.string(),
});

export const movePlanSchema = z.object({
  format: z.literal(MOVE_FORMAT),
  kind: z.enum(['to-podman', 'to-docker']),
  project: z.string(),
  source: sideSchema,
  target: sideSchema,
  /** Containers that run at the source, in the order in which they start. */
  running: z.array(z.object({ id: z.string(), service: z.string() })),
  /** What its engine would start by itself, with the policies that it gets back on the way back. */
  policies: z.array(heldSchema),
  /** Containers at the target that an earlier move held, with the policies that they had before it. */
  held: z.array(heldSchema),
  /** The point whose files and images the target starts with; null for what runs at the source. */
  goal: z.string().nullable(),
  /** The move that this one takes back; null for none. */
  undoes: z.string().nullable().default(null),
  /** `existing`: there is one at the target, whose data is replaced. */
  volumes: z.array(
    z.object({
      name: z.string(),
      services,
      existing: z.boolean(),
      /** How it is read at the source and written at the target. */
      from: z.enum(['host', 'api']),
      to: z.enum(['host', 'api']),
    }),
  ),
  operations: z.array(moveOperationSchema),
  risks: z.array(remarkSchema),
  blockers: z.array(remarkSchema),
});

/** The way back of a move. */
export const moveReturnSchema = z.object({
  format: z.literal(MOVE_FORMAT),
  kind: z.literal('return'),
  operations: z.array(moveOperationSchema),
  risks: z.array(remarkSchema),
  blockers: z.array(remarkSchema),
});

export type MoveReturn = z.infer<typeof moveReturnSchema>;

export const parseMovePlan = (value: unknown) => movePlanSchema.parse(value);
// Not `z.infer`, see `Plan`.
export type MovePlan = ReturnType<typeof parseMovePlan>;
export type MoveKind = MovePlan['kind'];
export type MoveOperation = MovePlan['operations'][number];
export type MoveOperationOf<K extends MoveOperation['kind']> = Extract<MoveOperation, { kind: K }>;
