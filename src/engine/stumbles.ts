import { messageOf, RollbackError } from '../model/errors.js';

/** How often an engine may stumble over what goes away. */
const STUMBLES = 10;

/**
 * Podman, and Docker with containerd's image store, look at everything there is for most questions, and stumble over what somebody removes meanwhile: asked
 * again, that is gone. For what may be done twice. Throws what the last try throws.
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

/** Podman's words, its storage's and containerd's: what is merely not there is told by others. */
const STUMBLED = [
  /(?:image|layer) not known/,
  /no such container/,
  /locating item named "manifest"/,
  /\/storage\/overlay\S*: no such file or directory/,
  /content digest sha256:[0-9a-f]+: not found/,
  // Podman 4.3, where a container ends while networks are asked about (measured).
  /\/proc\/\d+\/cgroup: no such process/,
  // Docker 20.10, where a container that is restarted by itself ends for good while it is stopped: its lender stopped just before (measured).
  /cannot stop container: .* is not running/,
];

/** By the engine's own words, or by those that a program passes on. */
function isStumble(thrown: unknown): boolean {
  const details = thrown instanceof RollbackError ? thrown.details : [];
  const words = [messageOf(thrown), ...details].join('\n');
  return STUMBLED.some((pattern) => pattern.test(words));
}
