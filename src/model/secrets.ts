/** Other people's words (compose's errors, the end of a log) may quote values that were given to them in confidence. */

const TELLING = /PASS|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|PRIVATE|DSN/i;
const HARMLESS = /^(?:PATH|PWD|OLDPWD|HOME|HOSTNAME|SHELL|TERM|LANG|LC_\w+|.*_VERSION|DOCKER_HOST)$/;

/**
 * Values of an environment that must not be shown: all that are long enough not to be found everywhere by chance, short ones when their name
 * tells. Plain paths are no secrets.
 */
function secretsOf(env: Record<string, string | undefined>): string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (value.length < 3 || HARMLESS.test(name)) return [];
    const secret = TELLING.test(name) || (value.length >= 8 && !value.startsWith('/'));
    return secret ? [value] : [];
  });
}

/** The text without the secret values of these environments, and without the user information of URLs. */
export function redact(text: string, ...environments: Record<string, string | undefined>[]): string {
  const secrets = environments.flatMap(secretsOf).toSorted((a, b) => b.length - a.length);
  const redacted = secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
  return redacted.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1***@');
}

/** Of an environment what its names tell to be secret. */
export function tellingOf(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => TELLING.test(name)));
}

/** What gives us the user's key, in the environment. */
const KEYS = /^COMPOSE_ROLLBACK_(?:IDENTITY|PASSPHRASE|PASSPHRASE_FILE)$/;

/** An environment for children: without what decrypts points. */
export function withoutKeys(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !KEYS.test(name)));
}
