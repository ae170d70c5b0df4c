import { messageOf, RollbackError } from '../model/errors.js';

/** How often Podman may stumble over what goes away. */
const STUMBLES = 5;

/**
 * Podman looks at everything there is for most questions, and stumbles over what somebody removes meanwhile: asked again, that is gone. For what may be done
 * twice. Throws what the last try throws.
 */
export async function overStumbles<T>(act: () => Promise<T>): Promise<T> {
  for (let left = STUMBLES; left > 0; left--) {
    try {
      return await act();
    } catch (thrown) {
      if (!isStumble(thrown)) throw thrown;
    }
  }
  return await act();
}

/** By its own words, or by those that a program passes on. Docker has others. */
function isStumble(thrown: unknown): boolean {
  const details = thrown instanceof RollbackError ? thrown.details : [];
  return /(?:image|layer) not known|no such container/.test([messageOf(thrown), ...details].join('\n'));
}
