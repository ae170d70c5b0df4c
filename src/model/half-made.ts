import type { Container } from './engine.js';

/**
 * Compose makes a container anew as `<beginning of the old one's id>_<name of both>`, and renames it in the end. One that it had no time to rename is no
 * replica, and stands in the way of its next attempt: compose removes it too, and at the same time makes another of that name.
 */
export function isHalfMade({ name, state }: Container, containers: readonly Container[]): boolean {
  return state === 'created' && containers.some((old) => name.startsWith(`${old.id.slice(0, 12)}_`));
}
